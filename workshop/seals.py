"""How the files of the exercises came: `python -m workshop.seals` writes it anew.

So `pytest chapters` can tell an exercise that is begun from one that is not, and a
check that was edited is noticed, with git or without.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from pathlib import Path

SEALS = Path(__file__).with_name("seals.json")
CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
SEALED = ("exercise.py", "test_exercise.py")


def is_as_it_came(path: Path) -> bool:
    return path.exists() and seal(path) == _known().get(name(path))


def seal(path: Path) -> str:
    # Read as text, so that the ends of lines may be any system's.
    text = path.read_text(encoding="utf-8", errors="replace")
    return hashlib.sha256(text.encode()).hexdigest()


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def taken() -> dict[str, str]:
    """The seals of the files as they are now, by chapter and name."""
    files = [path for known in SEALED for path in CHAPTERS.glob(f"*/{known}")]
    return {name(path): seal(path) for path in sorted(files)}


@functools.cache
def _known() -> dict[str, str]:
    known: dict[str, str] = json.loads(SEALS.read_text(encoding="utf-8"))
    return known


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(f"{__doc__}\nIt takes no arguments.")
    SEALS.write_text(json.dumps(taken(), indent=1) + "\n", encoding="utf-8")
