"""The hints of a chapter, one at a time: `pytest chapters/05-… --hint`.

They stand in the chapter's `hints.md`, each under a heading `## Hint 1`. Which one was
shown last is kept in pytest's cache.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workshop.answer import shown_path

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
    # pytest has no cache where its plugin was turned off.
    cache: pytest.Cache | None = getattr(config, "cache", None)
    key = f"hints/{folder.name}"
    number: int = cache.get(key, 0) if cache is not None else 0
    text = ""
    if number >= len(hints):
        number = 0
        solution = shown_path(folder / "solution.py")
        text = f"You have seen them all; an answer is in {solution}. Once more:\n\n"
    if cache is not None:
        cache.set(key, number + 1)
    return f"{text}Hint {number + 1} of {len(hints)}\n\n{hints[number]}"
