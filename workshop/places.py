"""Where something is: a file, a line of it, in words."""

from __future__ import annotations

import linecache
from pathlib import Path
from types import TracebackType

#: With this begins the name of an answer's module.
ANSWER = "answer:"


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


def line_in_answer(traceback: TracebackType | None) -> str | None:
    """The same for whichever file the reader's code is in: see Answer."""
    path = None
    within = traceback
    while within is not None:
        frame = within.tb_frame
        if str(frame.f_globals.get("__name__")).startswith(ANSWER):
            path = Path(frame.f_code.co_filename)
        within = within.tb_next
    return line_in(path, traceback) if path else None
