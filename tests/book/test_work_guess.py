"""Draw it first: handles, then what was measured, and never before.

What a reader would see, and hear from a screen reader; by keyboard and by pointer.
"""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, expect

from book.drawn import Sources
from book.measures import CASE, title
from book.works.common import Materials, Work
from book.works.guess import ASKED, guess
from lab.paths import BOOK
from lab.record.measurement import Measurement
from lab.record.model import Generator
from tests.book import made_up
from tests.book.conftest import Site
from tests.book.test_browser import DESK, PHONE, opened

pytestmark = pytest.mark.timeout(240)

CHAPTERS = {
    "step01": "chapters/01-close-after-response/index.html",
    "step03": "chapters/03-timeout-and-rebuild/index.html",
    "step04": "chapters/04-pipe-and-second-thread/index.html",
    "step06": "chapters/06-both/index.html",
    "step07": "chapters/07-one-line/index.html",
    "step08": "chapters/08-register-once/index.html",
}
#: What a private window, or a file, may do to who asks for it. The theme, which keeps
#: the colours, has to live with it by itself.
REFUSING = """
  for (const name of ["getItem", "setItem", "removeItem"]) {
    const as_it_was = Storage.prototype[name];
    Storage.prototype[name] = function (key, ...more) {
      if (key.startsWith("web-servers-")) throw new DOMException("", "SecurityError");
      return as_it_was.call(this, key, ...more);
    };
  }
"""
#: The names under which a guess is kept.
KEPT = "Object.keys(localStorage).filter((name) => name.startsWith('web-servers-'))"


@pytest.fixture(scope="module")
def book() -> Measurement:
    return Measurement.load(BOOK)


@pytest.fixture
def desk(browser: Browser) -> Iterator[Page]:
    with opened(browser, DESK) as (page, wrong):
        yield page
        assert wrong == []


def figure_on(page: Page, site: Site, step: str) -> Locator:
    page.goto(f"{site.folder.as_uri()}/{CHAPTERS[step]}")
    return page.locator('figure[data-work="guess"]')


def by_keyboard(page: Page, handle: Locator, *keys: str) -> None:
    handle.focus()
    for key in keys:
        page.keyboard.press(key)


def of_the_book(step: str) -> Work:
    sources = Sources(Measurement.load(BOOK))
    return guess(Materials(sources), step)


@pytest.mark.parametrize("step", ASKED)
def test_nothing_measured_is_to_be_read_before_it_is_asked_for(
    desk: Page, site: Site, book: Measurement, step: str
) -> None:
    figure = figure_on(desk, site, step)
    expect(figure.get_by_role("slider")).to_have_count(4)
    # A name in its table, and a mark in its picture.
    measured = figure.locator(".book-mark, .mine-mark, .model-line, table")
    expect(measured).to_have_count(0)
    by: Generator = "lab" if step == "step01" else "wrk"
    rates = [str(book.rate(step, n, generator=by)) for n in (1, 10, 100, 1000)]
    seen = " ".join(
        [figure.locator(".work-stage").text_content() or ""]
        + [
            handle.get_attribute("aria-valuetext") or ""
            for handle in figure.get_by_role("slider").all()
        ]
    )
    # A rounded figure may be an axis's or an earlier server's as well.
    assert not any(rate in seen for rate in rates if rate not in words_of(step))
    by_keyboard(desk, figure.get_by_role("slider").first, "ArrowUp")
    figure.get_by_role("button", name="Show what was measured").click()
    cells = figure.locator("tbody td:nth-child(3)").all_inner_texts()
    assert cells == rates


def marks(figure: Locator) -> Locator:
    """What was measured for the book, in the picture."""
    return figure.locator(".work-stage > svg .book-mark")


def words_of(step: str) -> str:
    return " ".join(of_the_book(step).words)


@pytest.mark.parametrize("step", ASKED)
def test_grey_are_earlier_servers_alone(step: str) -> None:
    work = of_the_book(step)
    earlier = CASE[: CASE.index(step)]
    assert [name for name in map(title, CASE) if f"{name}:" in words_of(step)] == [
        title(server) for server in earlier
    ]
    assert work.still.count('stroke-opacity="0.6"') == len(earlier)
    assert title(step) in work.data["server"]


def test_it_is_drawn_by_keyboard_and_says_by_what_factor_it_was_wrong(
    desk: Page, site: Site, book: Measurement
) -> None:
    figure = figure_on(desk, site, "step03")
    handles = figure.get_by_role("slider")
    first = handles.first
    expect(first).to_have_attribute("aria-valuetext", "1 connection: not set")
    for _ in range(200):
        desk.keyboard.press("Tab")
        if first.evaluate("handle => handle === document.activeElement"):
            break
    else:
        pytest.fail("the keyboard does not reach the first handle")
    desk.keyboard.press("Home")
    expect(first).to_have_attribute(
        "aria-valuetext", "1 connection: 1 requests a second"
    )
    for _ in range(20):  # to a power of ten
        desk.keyboard.press("ArrowUp")
    desk.keyboard.press("PageUp")
    desk.keyboard.press("PageUp")
    expect(first).to_have_attribute("aria-valuenow", "100")
    expect(figure.locator("[aria-live]")).to_contain_text("Still to be set: 10, 100")
    for _ in range(4):
        desk.keyboard.press("Tab")
    desk.keyboard.press("Enter")
    row = figure.locator("tbody tr").first
    times = 100 / book.rate("step03", 1).median
    assert row.locator("td").all_inner_texts()[:3] == [
        "100",
        str(book.rate("step03", 1)),
        f"{float(f'{times:.2g}'):g} × too high",
    ]
    said = figure.locator("[aria-live]")
    expect(said).to_contain_text(f"factor of up to {float(f'{times:.2g}'):g}")
    # What was not set is not held against anybody.
    expect(figure.locator("tbody tr").nth(1)).to_contain_text("–")
    expect(marks(figure)).to_have_count(4)
    desk.keyboard.press("Enter")
    expect(marks(figure)).to_have_count(0)
    expect(first).to_have_attribute("aria-valuetext", "1 connection: not set")


def test_a_handle_follows_the_pointer_and_a_click(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site, "step04")
    handle = figure.get_by_role("slider").nth(2)
    handle.locator(".guess-mark").hover()  # scrolls, and waits until it stands still
    ground = figure.locator(".work-ground").bounding_box()
    place = handle.locator(".guess-mark").bounding_box()
    assert ground is not None
    assert place is not None
    x = place["x"] + place["width"] / 2
    y = place["y"] + place["height"] / 2
    desk.mouse.move(x, y)
    desk.mouse.down()
    desk.mouse.move(x, ground["y"] + 0.2 * ground["height"], steps=4)
    desk.mouse.up()
    # A fifth from the top of five powers of ten, but for a pixel.
    value = float(handle.get_attribute("aria-valuenow") or 0)
    assert 9_000 <= value <= 11_000
    desk.mouse.click(x - 4, ground["y"] + 0.6 * ground["height"])
    value = float(handle.get_attribute("aria-valuenow") or 0)
    assert 90 <= value <= 110
    others = [figure.get_by_role("slider").nth(n) for n in (0, 1, 3)]
    for other in others:
        expect(other).to_have_attribute("aria-valuetext", re.compile("not set"))


def test_who_has_drawn_nothing_is_shown_nothing(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site, "step06")
    figure.get_by_role("button").click()
    expect(figure.locator("[aria-live]")).to_contain_text("First set a handle")
    expect(figure.get_by_role("slider").first).to_be_focused()
    expect(marks(figure)).to_have_count(0)


def test_a_guess_is_kept_and_stands_beside_the_others_at_the_end(
    desk: Page, site: Site
) -> None:
    figure = figure_on(desk, site, "step03")
    by_keyboard(desk, figure.get_by_role("slider").last, "End")
    desk.reload()
    last = figure.get_by_role("slider").last
    expect(last).to_have_attribute("aria-valuenow", "100000")
    expect(marks(figure)).to_have_count(0)
    figure_on(desk, site, "step07")
    together = desk.locator('figure[data-work="guesses"]')
    # It has not been looked up, so it is not told here either.
    expect(together).to_contain_text("This browser has none of your guesses")
    figure_on(desk, site, "step03").get_by_role("button").click()
    desk.reload()
    expect(marks(figure)).to_have_count(4)
    own = figure_on(desk, site, "step07")
    expect(together).to_contain_text("You have drawn 1 of 5")
    expect(together).to_contain_text(
        re.compile(r"03 timeout and rebuild: at the worst \S+ × too high, with 1000")
    )
    by_keyboard(desk, own.get_by_role("slider").first, "Home")
    own.get_by_role("button").click()
    expect(together).to_contain_text("You have drawn 2 of 5")
    assert len(desk.evaluate(KEPT)) == 2
    together.get_by_role("button", name="Forget").click()
    expect(together).to_contain_text("This browser has none of your guesses")
    assert desk.evaluate(KEPT) == []


def test_it_needs_no_store(browser: Browser, site: Site) -> None:
    with opened(browser, PHONE, "dark") as (page, wrong):
        page.add_init_script(REFUSING)
        figure = figure_on(page, site, "step07")
        by_keyboard(page, figure.get_by_role("slider").first, "End")
        figure.get_by_role("button").click()
        expect(marks(figure)).to_have_count(4)
        expect(page.locator('figure[data-work="guesses"] [aria-live]')).to_contain_text(
            "none of your guesses"
        )
        assert wrong == []


def test_the_readers_own_record_is_a_third_line(desk: Page, site: Site) -> None:
    mine = Measurement(made_up.mine())
    figure = figure_on(desk, site, "step03")
    by_keyboard(desk, figure.get_by_role("slider").first, "End")
    figure.get_by_role("button").click()
    expect(figure.locator("li", has_text="measured by you")).to_be_visible()
    cells = figure.locator("tbody td:nth-child(5)").all_inner_texts()
    assert cells == [str(mine.rate("step03", n)) for n in (1, 10, 100, 1000)]
    alone = guess(Materials(Sources(Measurement.load(BOOK))), "step03")
    assert alone.data["mine"] is None


def test_what_a_mutex_would_have_given_is_called_a_model(
    desk: Page, site: Site, book: Measurement
) -> None:
    figure = figure_on(desk, site, "step06")
    by_keyboard(desk, figure.get_by_role("slider").first, "End")
    figure.get_by_role("button").click()
    expect(figure.locator("li", has_text="a mutex, a model")).to_be_visible()
    rate = str(book.rate("step06", 100))
    expect(figure).to_contain_text(f"Model: a mutex that lets {rate} a second through")
    line = figure.locator("path.model-line").first
    assert re.fullmatch(
        r"M[\d.]+ [\d.]+H[\d.]+", line.get_attribute("d") or ""
    )  # level


def test_a_phone_shows_by_what_factor(browser: Browser, site: Site) -> None:
    with opened(browser, PHONE) as (page, _):
        figure = figure_on(page, site, "step03")
        by_keyboard(page, figure.get_by_role("slider").first, "End")
        figure.get_by_role("button").click()
        cell = figure.locator("tbody tr").first.locator("td").nth(2)
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shown", [False, True])
def test_the_rules_of_axe_find_nothing(
    browser: Browser, site: Site, scheme: str, shown: bool
) -> None:
    with opened(browser, PHONE, scheme) as (page, _):
        figure = figure_on(page, site, "step06")
        by_keyboard(page, figure.get_by_role("slider").first, "End")
        if shown:
            figure.get_by_role("button").click()
        expect(figure.locator("table")).to_have_count(int(shown))
        options = {"preload": False}
        found = Axe().run(page, context='figure[data-work="guess"]', options=options)
        assert [(v["id"], v["nodes"]) for v in found.response["violations"]] == []
