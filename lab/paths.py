"""Where the project's files are, and how a reader would type a path."""

from __future__ import annotations

from pathlib import Path

#: The project's folder.
ROOT = Path(__file__).resolve().parent.parent

MEASUREMENTS = ROOT / "docs" / "measurements"
#: The recorded run that the book prints.
BOOK = MEASUREMENTS / "book.json"
#: The timelines that it prints.
TRACES = MEASUREMENTS / "traces"
#: What the proofs saw that try to break a server.
TOUGHNESS = MEASUREMENTS / "toughness.json"
#: What the commands print that the chapters show.
TRANSCRIPTS = ROOT / "docs" / "transcripts"
#: The reader's own run, made by `make`; git does not keep it.
READER = ROOT / "measurements" / "mine.json"
#: The comparison with peers, beside either of the two runs.
COMPARISON = "compare.json"
#: The steps on Python with the GIL and without, likewise.
FREE_THREADED = "free-threaded.json"


def short_path(path: Path) -> str:
    """The path as a reader would type it in the project's folder."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)
