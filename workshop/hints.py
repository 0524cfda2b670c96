"""The hints of a chapter, one at a time: `pytest chapters/05-… --hint`.

They stand in the chapter's `hints.md`, each under a heading `## Hint 1`. How many were
shown is kept in a file that git ignores.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest

from workshop.places import shown_path

SHOWN = Path(__file__).resolve().parent.parent / "chapters" / ".hints.json"
_HEADING = re.compile(r"^## Hint \d+$\n+", re.MULTILINE)


def of(folder: Path) -> list[str]:
    """The hints in Markdown, in order; none where there is no such file."""
    try:
        text = (folder / "hints.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [hint.strip() for hint in _HEADING.split(text)[1:]]


def show(folder: Path, config: pytest.Config) -> str:
    hints = of(folder)
    if not hints:
        return f"There are no hints in {shown_path(folder)}."
    shown = _shown()
    number = shown.get(folder.name, 0)
    text = ""
    if number >= len(hints):
        number = 0
        solution = shown_path(folder / "solution.py")
        text = f"You have seen them all; an answer is in {solution}. Once more:\n\n"
    with contextlib.suppress(OSError):  # on a disk that cannot be written: the first
        SHOWN.write_text(json.dumps(shown | {folder.name: number + 1}))
    return f"{text}Hint {number + 1} of {len(hints)}\n\n{hints[number]}"


def _shown() -> dict[str, int]:
    """How many of a chapter's hints were shown."""
    try:
        shown: dict[str, int] = json.loads(SHOWN.read_text())
    except (OSError, ValueError):
        return {}
    return shown
