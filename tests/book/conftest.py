"""One built book for all tests of the pages."""

import logging
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
    """The book with a reader's record in it, made up, as the book's is until it is
    measured."""
    folder = tmp_path_factory.mktemp("book") / "site"
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
    return Site(folder, warnings)


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())
