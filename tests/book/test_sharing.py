"""What a link to the book looks like where somebody shares it."""

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from book import card
from book.drawn import Sources
from lab.paths import ROOT
from lab.record.measurement import Measurement
from tests.book import made_up
from tests.book.conftest import Site

# The first of them builds the book, or waits until another process has.
pytestmark = pytest.mark.timeout(240)

TITLE = "Why keep-alive made a server ten times slower"
URL = "https://example.org/books/connections/"


def heads(folder: Path, url: str) -> dict[str, str]:
    """What pages of the book's making have in their heads."""
    return {
        name: page.partition("</head>")[0]
        for name, page in two_pages(folder, site_url=url).items()
    }


def two_pages(folder: Path, **settings: str) -> dict[str, str]:
    """Two pages, and no more, with the theme and the settings of the book's."""
    docs = folder / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Home\n")
    (docs / "other.md").write_text("---\ndescription: Another.\n---\n# The other\n")
    config = load_config(
        str(ROOT / "mkdocs.yml"),
        docs_dir=str(docs),
        site_dir=str(folder / "site"),
        hooks=[],
        plugins=[],
        nav=None,
        **settings,
    )
    config.extra["sharing"]["card"] = "What it shows."
    build(config)
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in (folder / "site").glob("*.html")
    }


def said(head: str) -> dict[str, str]:
    tags = re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)"', head)
    return dict(tags)


def test_a_page_has_a_card_where_it_is_known_where_the_book_is(tmp_path: Path) -> None:
    found = heads(tmp_path, URL)
    home, other = said(found["index.html"]), said(found["other.html"])
    assert f"<title>{TITLE}</title>" in found["index.html"]
    assert home["og:title"] == home["twitter:title"] == TITLE
    assert home["og:url"] == f"{URL}index.html"
    assert other["og:title"] == "The other"
    assert other["description"] == other["og:description"] == "Another."
    assert other["og:url"] == f"{URL}other.html"
    for page in (home, other):
        assert page["og:image"] == page["twitter:image"] == f"{URL}assets/card.png"
        assert page["og:image:alt"] == "What it shows."
        assert page["twitter:card"] == "summary_large_image"


def test_no_address_is_made_up(tmp_path: Path) -> None:
    for head in heads(tmp_path, "").values():
        found = said(head)
        assert found["og:title"]
        assert [name for name in found if name.endswith((":url", ":image"))] == []
        assert "//" not in "".join(found.values())


def test_every_page_leads_to_where_the_book_can_be_had(tmp_path: Path) -> None:
    url = "https://example.org/books/connections.git"
    for name, page in two_pages(tmp_path, repo_url=url).items():
        # In the head of a wide page, and in the menu of a phone.
        assert page.count(f'<a href="{url}" title="Go to repository"') == 2, name


def test_every_page_says_what_it_is_about(site: Site) -> None:
    described: dict[str, str] = {}
    for name in site.pages():
        if "solution" in name or name.startswith("source/"):
            continue
        head = (site.folder / name).read_text(encoding="utf-8").partition("</head>")[0]
        text = said(head)["description"]
        assert 20 < len(text) < 200, name
        assert text not in described, (name, described[text])
        described[text] = name


def test_the_pictures_are_there(site: Site) -> None:
    drawn = (site.folder / "assets" / "card.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert int.from_bytes(drawn[16:20], "big") == card.WIDTH
    assert int.from_bytes(drawn[20:24], "big") == card.HEIGHT
    home = (site.folder / "index.html").read_text(encoding="utf-8")
    assert '<link rel="icon" href="assets/favicon.svg">' in home
    assert (site.folder / "assets" / "favicon.svg").is_file()


def test_the_card_shows_the_record() -> None:
    record = Measurement(made_up.book())
    closes, keeps = (
        record.rate(
            server, 100, generator=record.generator_of(["step02", "step06"], [100])
        )
        for server in ("step02", "step06")
    )
    drawing = card.picture(Sources(record))
    assert drawing is not None
    for rate in (closes, keeps):
        assert f">{rate}</text>" in drawing
        assert str(rate) in card.words(Sources(record))
    assert "var(" not in drawing
    assert card.picture(Sources()) is None
