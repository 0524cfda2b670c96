"""What a check says when an answer is wrong."""

from __future__ import annotations

import errno
import reprlib
import textwrap

from workshop.places import line_in_answer

#: Characters in a line of a message, and where its second column begins.
WIDTH = 88
COLUMN = 11
#: No file that the checks write may be longer; what an answer prints is kept in one.
PRINTED_BYTES = 10_000_000
#: Characters in a row of a message: a screenful.
ROW = 2000


class WrongAnswer(AssertionError):  # noqa: N818 - what it is to the reader
    """An answer is wrong. The message says how, in words for the reader."""


def check(
    right: object, *, called: str, came_back: object, expected: object, why: str
) -> None:
    """Raise WrongAnswer, unless `right`.

    A string stands in the message as it is, so it is written in words; anything else
    stands there as Python writes it.

    called: what was called, with what, and in which situation.
    why: why it matters to a server. It names the mistake, as far as one can tell.
    """
    if not right:
        why = prints_too_much(came_back) or why
        raise WrongAnswer(
            table(called=called, came_back=came_back, expected=expected, why=why)
        )


def prints_too_much(came_back: object) -> str:
    """What to say of the error with which a print ends that is one too many."""
    if isinstance(came_back, OSError) and came_back.errno == errno.EFBIG:
        limit = f"{PRINTED_BYTES // 1_000_000} MB"
        return f"It prints more than {limit}, which nobody reads."
    return ""


def table(**rows: object) -> str:
    """Two columns: a row's name, and what is to say about it."""
    return "\n".join(_row(name.replace("_", " "), rows[name]) for name in rows)


def _row(name: str, value: object) -> str:
    text = value if isinstance(value, str) else shown(value)
    if len(text) > ROW:
        text = text[:ROW] + " …"
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        # A line that is indented is code: it is not broken.
        as_it_is = line.startswith(" ") or len(line) <= WIDTH - COLUMN
        lines += [line] if as_it_is else textwrap.wrap(line, WIDTH - COLUMN)
    return textwrap.indent("\n".join(lines), " " * COLUMN).replace(
        " " * COLUMN, name.ljust(COLUMN), 1
    )


def shown(value: object) -> str:
    """A value as Python writes it, shortened if it is long; a class by its name."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, BaseException) and value.__traceback__:
        where = line_in_answer(value.__traceback__)
        return repr(value) + (f", in\n{where}" if where else "")
    short = reprlib.Repr()
    short.maxstring = short.maxother = 120
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = 20
    return short.repr(value)
