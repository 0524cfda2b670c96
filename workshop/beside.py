"""The reader's answer beside the solution: `pytest chapters/05-… --compare`."""

from __future__ import annotations

import ast
import difflib
import shutil
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from workshop.answer import source_of
from workshop.places import shown_path


def show(folder: Path, config: pytest.Config) -> str:
    mine, theirs = folder / config.getoption("--answer"), folder / "solution.py"
    for path in (mine, theirs):
        if not path.exists():
            return f"{shown_path(path)} is not there: git restore {shown_path(path)}"
    width = (shutil.get_terminal_size((100, 24)).columns - 3) // 2
    left, right = (without_docstrings(_text(path)) for path in (mine, theirs))
    head = f"{mine.name:{width}}   {theirs.name}"
    rows = (_row(*row, width) for row in side_by_side(left, right))
    lines = (line.rstrip() for row in rows for line in row)
    return "\n".join([head, "-" * min(2 * width + 3, len(head) + width), *lines])


def _text(path: Path) -> str:
    """It is shown also where Python cannot read it."""
    try:
        return source_of(path)
    except (SyntaxError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8", errors="replace")


def without_docstrings(source: str) -> list[str]:
    """The lines of code; all lines, where Python cannot read them."""
    lines = source.expandtabs().splitlines()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return lines
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            text = node.body[0]
            for number in range(text.lineno, (text.end_lineno or text.lineno) + 1):
                lines[number - 1] = ""
    # Where a docstring was, an empty line too many is left.
    before = ["", *lines]
    return [line for line, above in zip(lines, before, strict=False) if line or above]


def side_by_side(
    left: list[str], right: list[str]
) -> Iterator[tuple[str | None, str, str | None]]:
    """Lines of the left, a mark ("|" where they differ), lines of the right."""
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        mark = " " if tag == "equal" else "|"
        for one, other in zip_longest(left[i:i_end], right[j:j_end]):
            yield one, mark, other


def _row(left: str | None, mark: str, right: str | None, width: int) -> Iterator[str]:
    """A row of the two columns; as many lines as the longer of them needs."""
    for one, other in zip_longest(_cut(left, width), _cut(right, width), fillvalue=""):
        yield f"{one:{width}} {mark} {other}"


def _cut(line: str | None, width: int) -> list[str]:
    line = line or ""
    starts = range(0, max(len(line), 1), width)
    return [line[start : start + width] for start in starts]
