"""Figures to work: the frame that all of them have; each has a file of its own besides.

Without a script there is a still picture, and the same in words. With one there are
controls in the picture's place, which a keyboard reaches.
"""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from book.drawn import Sources
from book.pages import functions_for
from book.works import WORKS
from book.works.common import Materials, Work
from lab.paths import ROOT
from tests.book.conftest import Site
from tests.book.test_browser import DESK, PHONE, opened

# The first of them builds the book, or waits until another process has.
pytestmark = pytest.mark.timeout(240)

expect.set_options(timeout=20_000)


def pages_with_work(site: Site) -> dict[str, int]:
    """Page -> how many figures to work it has."""
    found = {}
    for name in site.pages():
        text = (site.folder / name).read_text(encoding="utf-8")
        if count := text.count('<figure class="chart work"'):
            found[name] = count
    return found


def test_every_figure_to_work_is_on_a_page_and_has_a_script(site: Site) -> None:
    text = "".join((site.folder / p).read_text("utf-8") for p in pages_with_work(site))
    assert set(re.findall(r'data-work="(\w+)"', text)) == set(WORKS)
    for name in WORKS:
        script = (ROOT / "docs" / "assets" / "work" / f"{name}.js").read_text("utf-8")
        assert re.search(r"^\(\(\) => \{\n", script, re.MULTILINE)
        assert not re.search(r"^(import|export|const|let|var|function)\b", script, re.M)


def test_only_pages_with_such_a_figure_load_its_script(site: Site) -> None:
    with_work = pages_with_work(site)
    assert with_work
    for name in site.pages():
        text = (site.folder / name).read_text(encoding="utf-8")
        loads = re.search(r'<script defer src="[./]*assets/work/', text) is not None
        assert loads == (name in with_work), name


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_without_a_script_the_picture_is_there_in_its_size(
    browser: Browser, site: Site, size: dict[str, int]
) -> None:
    for name in pages_with_work(site):
        with opened(browser, size, script=False) as (page, _):
            page.goto(f"{site.folder.as_uri()}/{name}")
            page.evaluate(
                "document.querySelectorAll('details').forEach(d=>d.open=true)"
            )
            for figure in page.locator("figure.work").all():
                picture = figure.locator(".work-still svg >> visible=true")
                expect(picture).to_have_count(1)
                box = picture.bounding_box()
                assert box is not None
                # Drawn at its own size, letters have theirs.
                assert box["width"] / float(picture.get_attribute("width") or 0) > 0.9
                expect(figure.locator("button, input, select")).to_have_count(0)
                assert figure.locator(".chart-data li").count() > 0


@pytest.mark.parametrize("way", ["light", "dark"])
def test_with_a_script_controls_are_in_the_pictures_place(
    browser: Browser, site: Site, way: str
) -> None:
    for name in pages_with_work(site):
        with opened(browser, PHONE, way) as (page, wrong):
            page.goto(f"{site.folder.as_uri()}/{name}")
            page.evaluate(
                "document.querySelectorAll('details').forEach(d=>d.open=true)"
            )
            for figure in page.locator("figure.work").all():
                expect(figure).to_have_class(re.compile(r"\bworks\b"))
                expect(figure.locator(".work-still")).to_be_hidden()
                expect(figure.locator("[aria-live]")).not_to_be_empty()
                for control in figure.locator("button, input, select").all():
                    assert control.get_attribute("tabindex") is None
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, name
            page.emulate_media(media="print")
            figure = page.locator("figure.work").first
            expect(figure.locator(".work-still")).to_be_visible()
            expect(figure.locator(".work-stage")).to_be_hidden()
            assert wrong == []


def test_the_repository_has_the_picture_in_both_schemes_and_the_words() -> None:
    text = (ROOT / "chapters" / "06-both" / "README.md").read_text(encoding="utf-8")
    shown = re.search(r'\{work\("ladder".*?<!-- / -->', text, re.DOTALL)
    assert shown is not None
    for scheme in ("light", "dark"):
        link = re.search(rf'"(\S+work-ladder\S*-{scheme}\.svg)"', shown[0])
        assert link is not None
        assert (ROOT / "chapters" / "06-both" / link[1]).is_file()
    assert "<summary>The figure in words</summary>\n\n- " in shown[0]


def test_data_cannot_end_its_element(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(_: Materials) -> Work:
        return Work("made-up", "Caption.", ["Words."], "<svg/>", {"a": "</script>"})

    monkeypatch.setitem(WORKS, "made-up", draw)
    page = ROOT / "chapters" / "06-both" / "README.md"
    drawn = functions_for(page, Sources.load())(None)["work"]("made-up").site()
    inside = re.search(r'<script type="application/json">(.*?)</script>', drawn)
    assert inside is not None
    assert json.loads(inside[1]) == {"a": "</script>"}


@pytest.mark.parametrize(
    ("page", "prefix"),
    [("chapters/06-both/README.md", "../../"), ("docs/index.md", "")],
)
def test_the_script_is_found_from_the_page(page: str, prefix: str) -> None:
    work = functions_for(ROOT / page, Sources.load())(None)["work"]
    html = work("ladder", "two writes").site()
    assert f'<script defer src="{prefix}assets/work/ladder.js"></script>' in html
    assert Path(ROOT, "docs", "assets", "work", "ladder.js").is_file()
