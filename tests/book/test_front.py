"""What the first page says of the book: where to get it, whose it is."""

from pathlib import Path

import pytest

from book.drawn import Sources
from book.front import Front, committed
from lab.paths import ROOT

FRONT = Front(ROOT / "docs" / "index.md", Sources())


def test_who_has_the_folder_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPO_URL", raising=False)
    for text in (FRONT.start().repository(), FRONT.start().site()):
        assert "it is this folder" in text
        assert "clone" not in text


def test_who_publishes_it_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPO_URL", "https://example.org/books/connections.git")
    commands = FRONT.start().site().split("```console\n")[1].splitlines()
    clone = "$ git clone https://example.org/books/connections.git"
    assert commands[:3] == [clone, "$ cd connections", "$ make"]
    # The text in the repository is the same for everybody.
    assert "example.org" not in FRONT.start().repository()


def test_the_imprint_is_of_settings_and_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOK_AUTHORS", raising=False)
    licence = "[MIT licence](../LICENSE)."
    assert FRONT.imprint().repository() == f"By the authors, 2026. {licence}"
    monkeypatch.setenv("BOOK_AUTHORS", "those who wrote it")
    assert FRONT.imprint().site().startswith("By those who wrote it, ")
    assert FRONT.imprint().site().endswith(f". {licence}")


def test_without_git_there_is_no_date(tmp_path: Path) -> None:
    assert committed(tmp_path) == ""
