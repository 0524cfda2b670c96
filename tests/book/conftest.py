"""One built book, and one browser, for all tests of the pages."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import vl_convert
from playwright.sync_api import Browser, sync_playwright

from lab.book import Sources
from lab.record import BOOK, Measurement, load_record
from lab.site import build
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
        book = load_record(BOOK) if BOOK.exists() else made_up.book()
        build(folder, sources=Sources(Measurement(book), Measurement(made_up.mine())))
    finally:
        log.removeHandler(handler)
    return Site(folder, warnings)


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())


@pytest.fixture(scope="session")
def browser(needs_tool: Callable[[str], str]) -> Iterator[Browser]:
    path = needs_tool("chromium")
    switches = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        # It asks its maker's servers for this and that; the tests have no use for it.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if os.geteuid() == 0:
        switches.append("--no-sandbox")  # it refuses to start as root with one
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=switches)
        yield browser
        browser.close()
