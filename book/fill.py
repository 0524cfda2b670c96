"""`python -m book fill`: write figures and code into the text.

It evaluates the markers (`book/markers.py`) of every page for the book's record and
writes what they give between them, and the figures' files. `--check` fails where that
is not what stands there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from book.drawn import BookError, Sources
from book.markers import Page
from book.pages import functions_for
from lab.paths import ROOT


def pages(root: Path) -> list[Path]:
    """Every file of text that may hold markers."""
    docs = (root / "docs").glob("*.md")
    chapters = (root / "chapters").glob("[0-9]*/*.md")
    return [
        p for p in (root / "README.md", *sorted(docs), *sorted(chapters)) if p.exists()
    ]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m book fill",
        description="Write the numbers, tables, figures and code into the text.",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if out of date"
    )
    arguments = parser.parse_args(argv)
    try:
        stale = fill(Sources(Sources.load().book), change=not arguments.check)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    for place in stale:
        print(f"{place}: " + ("out of date" if arguments.check else "filled"))
    if stale and arguments.check:
        print("`python -m book fill` brings them up to date.")
    return 1 if stale and arguments.check else 0


def fill(sources: Sources, *, change: bool, root: Path = ROOT) -> list[str]:
    """Fill every page, and draw the figures' files. What was out of date, by place.

    change: whether to write; without it nothing is touched.
    """
    stale: list[str] = []
    wanted: set[Path] = set()
    for path in pages(root):
        name = str(path.relative_to(root))
        text = path.read_text(encoding="utf-8")
        page = Page(name, text, sources, functions_for(path, sources, root))
        filled, files = page.filled()
        if filled != text:
            stale.append(f"{name}:{_first_difference(text, filled)}")
            if change:
                path.write_text(filled, encoding="utf-8")
        for file, (stamp, make) in files.items():
            target = root / file
            wanted.add(target)
            if target.exists() and stamp in target.read_text(encoding="utf-8"):
                continue
            stale.append(file)
            if change:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(make(), encoding="utf-8")
    for left_over in set((root / "docs" / "figures").glob("*.svg")) - wanted:
        stale.append(str(left_over.relative_to(root)))
        if change:
            left_over.unlink()
    return list(dict.fromkeys(stale))


def _first_difference(old: str, new: str) -> int:
    pairs = enumerate(zip(old.splitlines(), new.splitlines(), strict=False), start=1)
    return next((n for n, (a, b) in pairs if a != b), 1 + new.count("\n"))
