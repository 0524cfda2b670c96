"""Four tanks: the model does what step 09 does, and what the recording says."""

import json
import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, expect

from book.drawn import Sources
from book.works.common import Materials
from book.works.tanks import SMALL_BYTES, sent_bytes, tanks
from lab.paths import TRACES
from lab.record.quantity import THIN_SPACE
from steps.step09.server import MAX_BUFFERED_BYTES
from tests.book.conftest import Site
from tests.book.test_browser import DESK, PHONE, opened

pytestmark = pytest.mark.timeout(240)

PAGE = "chapters/09-never-block/index.html"
SENT = sent_bytes(json.loads((TRACES / "step09.json").read_text(encoding="utf-8")))


@pytest.fixture
def desk(browser: Browser) -> Iterator[Page]:
    with opened(browser, DESK) as (page, wrong):
        yield page
        assert wrong == []


def figure_on(page: Page, site: Site) -> Locator:
    page.goto(f"{site.folder.as_uri()}/{PAGE}")
    return page.locator('figure[data-work="tanks"]')


def press(page: Page, button: Locator) -> None:
    button.focus()
    page.keyboard.press("Enter")


def spaced(count: int) -> str:
    return f"{count:,}".replace(",", THIN_SPACE)


def held(figure: Locator) -> list[float]:
    """What stands in the four tanks, in bytes, as far as it can be read."""
    found = []
    for text in figure.locator(".work-stage [data-held]").all_text_contents():
        number, unit = text.split()
        found.append(float(number) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit])
    return found


def test_nothing_happens_unasked(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site)
    expect(figure.locator("[aria-live]")).to_contain_text("Nothing has been asked yet")
    assert held(figure) == [0, 0, 0, 0]
    expect(figure.get_by_role("button", name="Run")).to_have_attribute(
        "aria-pressed", "false"
    )


def test_a_send_falls_short_as_recorded_and_interest_flips(
    desk: Page, site: Site
) -> None:
    figure = figure_on(desk, site)
    press(desk, figure.get_by_role("button", name="Next event"))
    log = figure.get_by_role("list", name="What happened")
    expect(log).to_contain_text(
        f"send() fell short: it took {spaced(SENT[0])} of {spaced(sum(SENT))} bytes"
    )
    expect(log).to_contain_text("interest becomes EVENT_WRITE")
    expect(figure.locator(".work-stage svg")).to_contain_text("interest = EVENT_WRITE")
    assert held(figure)[0] == pytest.approx(sum(SENT) - SENT[0], abs=6e3)
    assert sum(held(figure)) == pytest.approx(sum(SENT), rel=0.01)


def test_without_a_reader_it_stands_still_until_one_reads(
    desk: Page, site: Site
) -> None:
    figure = figure_on(desk, site)
    following = figure.get_by_role("button", name="Next event")
    said = figure.locator("[aria-live]")
    for _ in range(3):
        press(desk, following)
    expect(said).to_contain_text("Nothing more happens until the client reads")
    stands = held(figure)
    assert stands[2] == 0
    press(desk, following)
    assert held(figure) == stands
    # The still picture is of this moment.
    still = figure.locator(".work-still [data-held]").all_text_contents()
    assert still == figure.locator(".work-stage [data-held]").all_text_contents()

    speed = figure.get_by_role("slider", name="It reads")
    speed.focus()
    desk.keyboard.press("ArrowRight")
    expect(speed).to_have_attribute("aria-valuetext", "1 MB a second")
    log = figure.get_by_role("list", name="What happened")
    press(desk, following)
    expect(log).to_contain_text("the selector says: there is room")
    assert held(figure)[0] < stands[0]
    expect(said).not_to_contain_text("everything")
    desk.keyboard.press("Enter")
    for _ in range(40):
        if "everything" in (said.text_content() or ""):
            break
        press(desk, following)
    expect(said).to_contain_text("interest is EVENT_READ")
    expect(said).to_contain_text("The client has everything")
    assert held(figure) == [0, 0, 0, 0]


def test_further_requests_wait_while_much_is_unsent(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site)
    figure.get_by_label("The client asks for").select_option("many")
    speed = figure.get_by_role("slider", name="It reads")
    following = figure.get_by_role("button", name="Next event")
    said = figure.locator("[aria-live]")
    press(desk, following)
    expect(said).to_contain_text(re.compile(r"\d+ requests are not taken"))
    expect(said).to_contain_text("EVENT_WRITE")
    assert held(figure)[1] > 1e6
    speed.focus()
    desk.keyboard.press("End")
    longest = []
    for _ in range(60):
        longest.append(held(figure)[0])
        if "everything" in (said.text_content() or ""):
            break
        press(desk, following)
    expect(said).to_contain_text("The client has everything")
    assert 0 < max(longest) <= MAX_BUFFERED_BYTES + SMALL_BYTES


def test_it_can_be_run_and_halted(desk: Page, site: Site) -> None:
    figure = figure_on(desk, site)
    speed = figure.get_by_role("slider", name="It reads")
    speed.focus()
    desk.keyboard.press("End")
    run = figure.get_by_role("button", name="Run")
    press(desk, run)
    expect(figure.locator("[aria-live]")).to_contain_text("The client has everything")
    expect(run).to_have_attribute("aria-pressed", "false")
    press(desk, figure.get_by_role("button", name="From the start"))
    expect(figure.locator("[aria-live]")).to_contain_text("Nothing has been asked yet")
    # With a slow reader it takes long, and a second press halts it.
    desk.keyboard.press("Shift+Tab")
    speed.focus()
    desk.keyboard.press("Home")
    desk.keyboard.press("ArrowRight")
    press(desk, run)
    expect(run).to_have_attribute("aria-pressed", "true")
    water = figure.locator('.work-stage [data-tank="1"]')
    expect(water).not_to_have_attribute("height", "0")
    press(desk, run)
    expect(run).to_have_attribute("aria-pressed", "false")
    expect(figure.locator("[aria-live]")).to_contain_text("interest is EVENT_WRITE")


def test_who_wants_no_motion_goes_from_event_to_event(
    browser: Browser, site: Site
) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        figure = figure_on(page, site)
        expect(figure.get_by_role("button", name="Next event")).to_be_visible()
        expect(figure.get_by_role("button", name="Run")).to_have_count(0)


def test_what_is_a_model_is_called_one_and_the_rest_is_recorded() -> None:
    work = tanks(Materials(Sources()), "step09")
    words = " ".join(work.words)
    assert "This is a model." in words
    assert spaced(SENT[0]) in words
    assert work.data["buffered"] == MAX_BUFFERED_BYTES
    assert work.data["limits"][1] + work.data["limits"][3] == SENT[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_rules_of_axe_find_nothing(
    browser: Browser, site: Site, scheme: str
) -> None:
    with opened(browser, PHONE, scheme) as (page, _):
        figure = figure_on(page, site)
        figure.get_by_role("button").first.click()
        options = {"preload": False}
        found = Axe().run(page, context='figure[data-work="tanks"]', options=options)
        assert [(v["id"], v["nodes"]) for v in found.response["violations"]] == []
