"""One built book for all tests of the pages."""

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

import pytest
import vl_convert

from book.drawn import Sources
from book.site import build
from lab.paths import BOOK
from lab.record.measurement import Measurement
from tests.book import made_up


class Site(NamedTuple):
    folder: Path
    #: What MkDocs and the book warned of while it was built.
    warnings: list[str]

    def pages(self) -> list[str]:
        """Every page, by its path; 404.html is for servers alone."""
        found = sorted(
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*.html")
        )
        return [path for path in found if path != "404.html"]


@pytest.fixture(scope="session", autouse=True)
def _drawing_is_started() -> None:
    """The library that draws keeps threads and descriptors until the process ends; no
    single test is to be blamed for them."""
    vl_convert.vegalite_to_svg({"mark": "point", "data": {"values": []}})


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Built by the first that asks, for all the processes that share the tests."""
    # Each of them has a folder of its own in one that they all have.
    mine = tmp_path_factory.getbasetemp()
    everybodys = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    site = Site(everybodys / "book", [])
    told = everybodys / "book-warnings.json"
    with open(everybodys / "book-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(json.dumps(build_into(site.folder)))
    site.warnings.extend(json.loads(told.read_text()))
    return site


def build_into(folder: Path) -> list[str]:
    """Build the book with a reader's record in it, made up, as the book's is until it
    is measured. What was warned of."""
    warnings: list[str] = []
    handler = _Collector(warnings)
    log = logging.getLogger("mkdocs")
    log.addHandler(handler)
    try:
        made = Measurement(made_up.book())
        book = Measurement.load(BOOK) if BOOK.exists() else made
        build(folder, sources=Sources(book, Measurement(made_up.mine())))
    finally:
        log.removeHandler(handler)
    return warnings


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())
