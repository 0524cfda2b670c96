"""The reader's file: found, loaded, and explained where it cannot be."""

from __future__ import annotations

import difflib
import importlib.util
import linecache
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from workshop import kinds
from workshop.checking import WrongAnswer, table
from workshop.places import ANSWER, line_in, place, shown_path

#: The checks import from here what they need of places, too.
__all__ = ["Answer", "explained", "line_in", "place", "shown_path", "source_of"]


class Answer(ModuleType):
    """An `exercise.py`, or another answer to it, as a module.

    It is read from its file each time, never from a cache, so what runs is what the
    reader sees. Raises WrongAnswer where the file, or a name in it, is missing, or
    where Python cannot run it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(ANSWER + path.name)
        self.__file__ = str(path)
        linecache.checkcache(str(path))
        try:
            source = source_of(path)
        except OSError as error:
            raise WrongAnswer(
                table(
                    missing=f"{path.name}: {error.strerror}",
                    to_do=f"git restore {shown_path(path)}\nbrings it back as it came.",
                )
            ) from None
        except UnicodeDecodeError as error:
            raise WrongAnswer(
                table(
                    wrong=f"{path.name} is not {error.encoding.upper()} text: {error}"
                )
            ) from None
        except SyntaxError as error:
            raise WrongAnswer(
                table(
                    wrong=f"{path.name} is not UTF-8 text, and names no other encoding "
                    f"that Python knows: {error}"
                )
            ) from None
        try:
            # Dataclasses look their module up. No other module has such a name.
            sys.modules[self.__name__] = self
            code = compile(source, str(path), "exec", dont_inherit=True)
            exec(code, self.__dict__)
        except SyntaxError as error:
            raise WrongAnswer(_syntax(error, path)) from None
        except Exception as error:
            raise WrongAnswer(
                "\n".join(
                    [
                        explained(error, path),
                        table(why="Python reads the file before anything is called."),
                    ]
                )
            ) from None

    def __getattribute__(self, name: str) -> Any:
        """What a check asks for. The answer's own code does not come by here."""
        value = super().__getattribute__(name)
        if not name.startswith("_"):
            kinds.refuse_another_kind(name, value, Path(str(self.__file__)))
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        names = [known for known in self.__dict__ if not known.startswith("_")]
        close = difflib.get_close_matches(name, names, 1)
        raise WrongAnswer(
            table(
                missing=f"{Path(str(self.__file__)).name} has no {name}."
                + (f" It has {close[0]}: is that it, misspelt?" if close else ""),
                to_do="Give it back the name with which it came; the checks call it.",
            )
        )


def source_of(path: Path) -> str:
    """The text of a file of Python, in the encoding that Python reads it in.

    A coding line says which, or a byte order mark, such as Windows' Notepad writes;
    without them it is UTF-8. Raises OSError, UnicodeDecodeError, and SyntaxError where
    the line names no encoding.
    """
    return importlib.util.decode_source(path.read_bytes())


def explained(error: BaseException, path: Path, check: ModuleType | None = None) -> str:
    """Rows: which exception, and in which line; and what that says about the answer.

    check: the chapter's test_exercise.py, as a module, if one was running.
    """
    raised = type(error).__name__
    if str(error) not in ("", "None"):  # exit() raises SystemExit(None)
        raised += f": {error}"
    where = line_in(path, error.__traceback__)
    if check is None:
        return table(raised=raised, **({"where": where} if where else {}))
    check_path = Path(str(check.__file__))
    in_check = line_in(check_path, error.__traceback__)
    frames = traceback.extract_tb(error.__traceback__)
    by_check = bool(frames) and frames[-1].filename == str(check_path)
    if where is None and _does_not_fit(error, check):
        where = "in calling it: are the parameters as they came?"
        return table(raised=raised, where=where)
    if where is None:
        return table(
            raised=raised,
            where=in_check or "in none of your lines",
            but="This line is the check's, not yours. What it was given is perhaps of "
            "another kind than the docstring says.",
        )
    if _lacks_something(error, check):
        return table(
            raised=raised,
            where=where,
            but="What the check calls you with stands for the real thing, and cannot "
            "do this, though the real one may. It can do what the docstring names.",
        )
    if by_check:
        return table(raised=raised, where=where, raised_in=in_check)
    return table(raised=raised, where=where)


_CALL = re.compile(r"^(?P<name>[\w.<>]+)\(\) (?:takes|missing|got) ")


def _does_not_fit(error: BaseException, check: ModuleType) -> bool:
    """Whether a function of the answer, and none of the check's, was called wrongly."""
    call = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    return call is not None and call["name"].partition(".")[0] not in vars(check)


def _lacks_something(error: BaseException, check: ModuleType) -> bool:
    """Whether something that the check made was asked for what it does not have."""
    if isinstance(error, AttributeError):
        return type(error.obj).__module__ == check.__name__
    call = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    return call is not None and call["name"].partition(".")[0] in vars(check)


def _syntax(error: SyntaxError, path: Path) -> str:
    code = (error.text or "").rstrip("\n")
    stripped = code.lstrip()
    column = max((error.offset or 1) - 1 - (len(code) - len(stripped)), 0)
    return table(
        wrong=f"SyntaxError: {error.msg}",
        where=f"{shown_path(path)}, line {error.lineno}:\n"
        f"    {stripped}\n    {' ' * column}^",
        why="Python cannot read the file, so nothing in it could be checked.",
    )
