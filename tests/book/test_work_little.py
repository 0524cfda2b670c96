"""Little's law: the two models, worked by keyboard, and the question's figures."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, expect

from book.drawn import Sources
from book.works.common import Materials
from book.works.little import QUESTION, little
from lab.paths import BOOK
from lab.record.measurement import Measurement
from tests.book.conftest import Site
from tests.book.test_browser import DESK, PHONE, opened

pytestmark = pytest.mark.timeout(240)

PAGES = {
    "03": "chapters/03-timeout-and-rebuild/index.html",
    "06": "chapters/06-both/index.html",
}


@pytest.fixture
def desk(browser: Browser) -> Iterator[Page]:
    with opened(browser, DESK) as (page, wrong):
        yield page
        assert wrong == []


def figure_on(page: Page, site: Site, chapter: str) -> Locator:
    page.goto(f"{site.folder.as_uri()}/{PAGES[chapter]}")
    return page.locator('figure[data-work="little"]')


def slide(page: Page, slider: Locator, key: str, times: int = 1) -> None:
    slider.focus()
    for _ in range(times):
        page.keyboard.press(key)


def digits(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text))


@pytest.mark.parametrize("chapter", PAGES)
def test_a_fixed_wait_gives_as_much_more_as_there_are_more_connections(
    desk: Page, site: Site, chapter: str
) -> None:
    figure = figure_on(desk, site, chapter)
    wait = figure.get_by_role("slider", name="Wait")
    connections = figure.get_by_role("slider", name="Connections")
    slide(desk, wait, "Home")
    slide(desk, wait, "ArrowRight", 49)
    expect(wait).to_have_attribute("aria-valuetext", "50 ms")
    said = figure.locator("[aria-live]")
    for key, clients, rate in (("Home", 1, 20), ("End", 1000, 20_000)):
        slide(desk, connections, key)
        expect(said).to_contain_text(f"{clients} connection")
        law = (said.text_content() or "").partition("ms = ")[2]
        assert digits(law.partition(" requests")[0]) == rate


def test_a_fixed_capacity_makes_them_wait(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site, "06")
    button = figure.get_by_role("button", name="a fixed capacity")
    button.focus()
    desk.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(figure.get_by_role("slider", name="Wait")).to_be_hidden()
    capacity = figure.get_by_role("slider", name="Capacity")
    slide(desk, capacity, "Home")
    expect(capacity).to_have_attribute("aria-valuetext", "100 a second")
    slide(desk, figure.get_by_role("slider", name="Connections"), "End")
    expect(figure.locator("[aria-live]")).to_contain_text(
        "can do 100 requests a second: each takes 1\u202f000 / 100 of a second = "
        "10\u202f000 ms."
    )


def test_it_says_which_of_the_questions_figures_a_wait_gives(
    desk: Page, site: Site
) -> None:
    figure = figure_on(desk, site, "03")
    said = figure.locator("[aria-live]")
    expect(said).to_contain_text("none fits")
    wait = figure.get_by_role("slider", name="Wait")
    slide(desk, wait, "Home")
    slide(desk, wait, "ArrowRight", 64)
    expect(said).to_contain_text("3 fit")
    rows = figure.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("1\u202f540 ✓")
    expect(rows.nth(0)).to_contain_text("65\u202fms ✓")
    expect(rows.nth(1)).to_contain_text("15\u202f400 ✗")
    figure.get_by_role("button", name="a fixed capacity").click()
    expect(said).not_to_contain_text("3 fit")


def test_the_mark_stands_where_the_sentence_says(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site, "06")
    rings = figure.locator(".little-ring")
    wait = figure.get_by_role("slider", name="Wait")
    before = [float(ring.get_attribute("cy") or 0) for ring in rings.all()]
    slide(desk, wait, "ArrowRight", 30)
    after = [float(ring.get_attribute("cy") or 0) for ring in rings.all()]
    assert after[0] > before[0]  # the rate falls
    assert after[1] < before[1]  # the response time rises
    # A ring lies on the curve of its model, at 100 connections of 1 to 1000.
    for ring, panel in zip(rings.all(), ("rate", "latency"), strict=True):
        path = figure.locator(f'.work-stage [data-curve="wait-{panel}"]')
        curve = path.get_attribute("d") or ""
        ends = [float(n) for n in re.findall(r"[\d.]+", curve)]
        (x1, y1, x2, y2) = ends
        x, y = (float(ring.get_attribute(name) or 0) for name in ("cx", "cy"))
        assert y == pytest.approx(y1 + (y2 - y1) * (x - x1) / (x2 - x1), abs=0.5)


def test_it_begins_with_the_records_wait_and_the_questions_figures() -> None:
    book = Measurement.load(BOOK)
    materials = Materials(Sources(book))
    wait = book.latency("step06", 100)
    work = little(
        materials, ["step02", "step06"], wait, book.rate("step02", 100), "lab"
    )
    assert work.data["wait_ms"] == round(wait.median)
    words = " ".join(work.words)
    for n in (1, 10, 100, 1000):
        assert f"{book.rate('step06', n)} a second" in words
        assert f"{book.latency('step06', n, generator='lab')} with" in words
    # docs/question.md has them as well.
    assert QUESTION[0] == (100, 1500, 2200, 60, 90)
    assert QUESTION[1][0] == 1000
    assert QUESTION[1][1] == 12_000


def test_in_chapter_03_no_wait_is_given_away(site: Site) -> None:
    text = (site.folder / PAGES["03"]).read_text(encoding="utf-8")
    inside = re.search(r'data-work="little".*?</figure>', text, re.DOTALL)
    assert inside is not None
    assert '"wait_ms":10,' in inside[0]
    assert not re.search("timeout of|kernel|mutex", inside[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_rules_of_axe_find_nothing(
    browser: Browser, site: Site, scheme: str
) -> None:
    with opened(browser, PHONE, scheme) as (page, _):
        figure = figure_on(page, site, "06")
        figure.get_by_role("button").first.click()
        options = {"preload": False}
        found = Axe().run(page, context='figure[data-work="little"]', options=options)
        assert [(v["id"], v["nodes"]) for v in found.response["violations"]] == []
