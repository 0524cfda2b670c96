"""A chapter that was named a little wrong on the command line: which one was meant?

The standard library alone: the project's own tests ask as well, before they know
whether anything else is installed.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
#: A chapter's number, at the beginning of a path's part: chapters/3-timeout.
NUMBER = re.compile(r"(?:^|/)0?(\d{1,2})(?!\d)")


def misnamed(arguments: Sequence[str], folder: Path) -> str:
    """What to say of the first path that is not there and resembles a chapter's; "" if
    there is none. `folder` is where the command was typed."""
    before = ""
    for argument in arguments:
        # A word behind an option may be its value.
        is_path = "/" in argument or not before.startswith("-")
        before = argument
        path = folder / argument.partition("::")[0]
        if argument.startswith("-") or not is_path or path.exists():
            continue
        if meant := _nearest(argument):
            shown = os.path.relpath(meant, folder)
            return f"There is no {argument} here. Its exercise: pytest {shown}"
    return ""


def _nearest(argument: str) -> Path | None:
    if number := NUMBER.search(argument):
        return next(CHAPTERS.glob(f"{int(number[1]):02}-*"), None)
    names = [folder.name[3:] for folder in sorted(CHAPTERS.glob("[0-9][0-9]-*"))]
    found = difflib.get_close_matches(Path(argument).name, names, n=1)
    return next(CHAPTERS.glob(f"*-{found[0]}"), None) if found else None
