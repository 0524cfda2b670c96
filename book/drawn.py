"""What a page is made of: the records that it prints, and what is drawn from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.paths import BOOK, READER
from lab.record.measurement import Measurement
from lab.record.model import RecordError

#: What stands where no record is.
NOT_YET = "not measured yet"

# mkdocs counts the warnings of its own loggers, and fails on them when it is strict.
log = logging.getLogger("mkdocs.book")


class BookError(Exception):
    """The text of a page is wrong. The message names file and line."""


@dataclass(frozen=True)
class Drawn:
    """What a function draws, for either place. Nothing is drawn before it is called.

    repository: Markdown with links as they are right in the repository.
    site: the same for the site; links are still the repository's.
    html: the site's text is HTML that Markdown must not touch.
    inline: stands within a line.
    files: other files that the repository's text shows, by path from the root.
    """

    repository: Callable[[], str]
    site: Callable[[], str]
    html: bool = False
    inline: bool = False
    files: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    #: Of each file, a line it contains if and only if it is up to date.
    stamp: str = ""


def placeholder(text: str) -> Drawn:
    """A sentence in place of what cannot be drawn yet."""
    return Drawn(repository=lambda: f"*{text}*", site=lambda: f"*{text}*")


@dataclass(frozen=True)
class Sources:
    """The two records that a page prints; either may be missing."""

    book: Measurement | None = None
    mine: Measurement | None = None

    @classmethod
    def load(cls, book: Path = BOOK, mine: Path = READER) -> Sources:
        return cls(_measurement(book), _measurement(mine))


def _measurement(path: Path) -> Measurement | None:
    if not path.exists():
        return None
    try:
        return Measurement.load(path)
    except RecordError as error:
        log.warning("%s", error)
        return None
