"""The book on paper: everything is on it, nothing is cut, and pages have numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.book.conftest import Site
from tools import optional, pdf

pytestmark = pytest.mark.timeout(240)

#: What is left of an A4 sheet between the margins, in CSS pixels.
PAPER = (673, 978)
CHAPTER = "chapters/06-both/index.html"
SOLUTION = "chapters/06-both/solution.html"
SOME = ["index.html", CHAPTER, "results.html", "glossary.html", SOLUTION]

BEYOND_THE_EDGE = """
  [...document.querySelectorAll('section *, nav *')]
    .filter(e => e.getClientRects().length && !e.parentElement.closest('svg'))
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1
      || getComputedStyle(e).overflowX !== 'visible'
        && e.scrollWidth > e.clientWidth + 1)
    .map(e => `${e.tagName} ${e.className} ${e.textContent.slice(0, 60)}`)
"""


def cut(browser: Browser, text: str, folder: Path) -> list[str]:
    """What would not be seen on paper."""
    (folder / "book.html").write_text(text, encoding="utf-8")
    with browser.new_context() as context:
        page = context.new_page()
        page.set_viewport_size({"width": PAPER[0], "height": PAPER[1]})
        page.emulate_media(media="print")
        page.goto((folder / "book.html").as_uri())
        assert (
            page.evaluate("document.querySelectorAll('details:not([open])').length")
            == 0
        )
        return list(page.evaluate(BEYOND_THE_EDGE))


def test_some_pages_have_contents_numbers_and_answers_at_the_end(
    browser: Browser, site: Site, tmp_path: Path, needs_tool: Callable[[str], str]
) -> None:
    file = tmp_path / "book.pdf"
    sheets = pdf.write(site.folder, file, needs_tool("chromium"), SOME)
    assert file.read_bytes().startswith(b"%PDF")
    places, found = pdf.places(file.read_bytes())
    assert found == sheets > 20
    names = ["index", "chapters-06-both-index", "results", "glossary", "answers"]
    names.append("chapters-06-both-solution")
    pages = [places[name] for name in names]
    assert pages == sorted(set(pages))
    assert pages[0] > 1
    # What is folded on a screen: asked in its chapter, told at the end.
    assert pages[1] <= places["answer-1-asked"] < pages[2]
    assert pages[4] <= places["answer-1"] < pages[5]
    text = pdf.document(site.folder, SOME, places)
    assert cut(browser, text, tmp_path) == []
    with browser.new_context() as context:
        page = context.new_page()
        page.goto((tmp_path / "book.html").as_uri())
        shown = page.locator(".contents .number").all_text_contents()
        assert [int(number) for number in shown] == pages


@pytest.mark.parametrize("name", [CHAPTER, "results.html", "source/steps-step07.html"])
def test_a_page_that_a_browser_prints_is_not_cut_and_does_not_tell(
    browser: Browser, site: Site, name: str
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_viewport_size({"width": PAPER[0], "height": PAPER[1]})
        page.emulate_media(media="print")
        page.goto((site.folder / name).as_uri())
        article = BEYOND_THE_EDGE.replace("section *, nav *", "article *")
        assert page.evaluate(article) == []
        for answer in page.locator("details:not([open]) > :not(summary)").all()[:3]:
            assert not answer.is_visible()


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_the_whole_book_is_printed_and_nothing_of_it_is_cut(
    browser: Browser, site: Site, tmp_path: Path, needs_tool: Callable[[str], str]
) -> None:
    file = tmp_path / "book.pdf"
    sheets = pdf.write(site.folder, file, needs_tool("chromium"))
    assert sheets > 100
    wanted = pdf.pages_of(site.folder)
    assert len([page for page in wanted if page.startswith("chapters/")]) == 30
    places, _ = pdf.places(file.read_bytes())
    text = pdf.document(site.folder, wanted, places)
    assert text.count('<section class="page"') == len(wanted)
    assert cut(browser, text, tmp_path) == []


def test_without_chromium_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(optional, "find", lambda name: None)
    monkeypatch.setattr(pdf, "write", lambda *_: pytest.fail("it printed"))
    assert pdf.main() == 0
    said = capsys.readouterr().out
    assert said.startswith("No PDF: it is printed by Chromium, which is not here.")
    assert said.count("\n") == 1
