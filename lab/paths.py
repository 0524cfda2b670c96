"""Where the project's files are, and how a reader would type a path."""

from __future__ import annotations

import errno
import os
import tempfile
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

#: A record has half as much.
RECORD_BYTES = 1_000_000
#: What chapters 05 and 07 look at more closely, likewise.
CLOSER = "closer.json"
#: And the question's server in C.
IN_C = "in-c.json"


def short_path(path: Path) -> str:
    """The path as a reader would type it in the project's folder."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)


def check_writable(path: Path, room: int = RECORD_BYTES) -> None:
    """Before minutes are spent on it: can such a file be written there?

    Makes its folder, and leaves nothing else. Raises OSError if not; `room` is how many
    bytes there must be space for.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent, buffering=0) as file:
            left = room
            while left > 0:
                # Where there is space for a part, a part is written.
                left -= file.write(bytes(left))
    except OSError as error:
        # A file in the place of a folder "exists" for mkdir().
        number = errno.ENOTDIR if error.errno == errno.EEXIST else error.errno
        raise OSError(number, os.strerror(number or 0), str(path)) from None
