"""The reader's file: found, loaded, and explained where it cannot be."""

from __future__ import annotations

import difflib
import linecache
import sys
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from workshop.checking import WrongAnswer, table


class Answer(ModuleType):
    """An `exercise.py`, or another answer to it, as a module.

    It is read from its file each time, never from a cache, so what runs is what the
    reader sees. Raises WrongAnswer where the file, or a name in it, is missing, or
    where Python cannot run it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"answer:{path.name}")
        self.__file__ = str(path)
        linecache.checkcache(str(path))
        try:
            source = path.read_text(encoding="utf-8")
        except OSError as error:
            raise WrongAnswer(
                table(
                    missing=f"{path.name}: {error.strerror}",
                    to_do=f"git restore {shown_path(path)}\nbrings it back as it came.",
                )
            ) from None
        except UnicodeDecodeError as error:
            raise WrongAnswer(
                table(wrong=f"{path.name} is not UTF-8 text: {error}")
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


def shown_path(path: Path) -> str:
    """As one would type it from the project's folder."""
    root = Path(__file__).resolve().parent.parent
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def line_in(path: Path, traceback: TracebackType | None) -> str | None:
    """Which line of that file an exception came from: its number, and the line."""
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_filename == str(path):
            found = place(path, traceback.tb_lineno, frame.f_code.co_name)
        traceback = traceback.tb_next
    return found


def place(path: Path, number: int | None, function: str) -> str:
    """A line of that file, in words. No number: Python has none for what it does there.

    That is so for instructions of its own, such as those that end an `except`.
    """
    within = "" if function == "<module>" else f", in {function}"
    if number is None:
        return f"{shown_path(path)}{within}"
    code = linecache.getline(str(path), number).strip()
    return f"{shown_path(path)}, line {number}{within}:\n    {code}"


def explained(error: BaseException, path: Path) -> str:
    """Two rows: which exception, and in which line of the reader's file."""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    where = line_in(path, error.__traceback__)
    if where is None:
        return table(
            raised=text, where="in calling it: are the parameters as they came?"
        )
    return table(raised=text, where=where)


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
