"""The 44 milliseconds: what a reader sees of the recordings, and that it is so."""

import json

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book.drawn import Sources
from book.works.common import Materials
from book.works.ladder import NETWORK, SERVER, SWITCHES, Case, case_of, ladder
from lab.paths import ROOT
from lab.trace.explain import end_us, lanes_of
from tests.book.conftest import Site
from tests.book.test_browser import DESK, PHONE, opened

# The first of them builds the book, or waits until another process has.
pytestmark = pytest.mark.timeout(240)

expect.set_options(timeout=20_000)

MATERIALS = Materials(Sources.load())


def case(name: str) -> Case:
    return case_of(name, MATERIALS.trace(*SWITCHES[name]))


def test_the_body_stands_in_the_kernel_for_as_long_as_it_was_recorded_there() -> None:
    trace = MATERIALS.trace("step06")
    held = [e for e in lanes_of(trace)["queue to client 1"] if e["name"] == "held back"]
    found = case("two writes")
    for event in held:
        middle = (event["ts"] + end_us(event)) / 2000
        stop = [s for s in found.stops if s.ms <= middle][-1]
        assert stop.at["body, 70 bytes"] == SERVER
        assert stop.rails[0] == "asleep: all six threads"
        after = next(s for s in found.stops if s.ms >= end_us(event) / 1000 - 0.01)
        assert after.at["body, 70 bytes"] == NETWORK
        assert "Inferred" in after.said


@pytest.mark.parametrize("name", set(SWITCHES) - {"two writes"})
def test_no_other_recording_has_a_body_that_waits(name: str) -> None:
    found = case(name)
    for stop, after in zip(found.stops, found.stops[1:], strict=False):
        if stop.holds():
            assert name == "close after response"
            assert "closes the connection" in after.said
            assert after.ms - stop.ms < 5
    assert all(bar.kind not in ("held", "kept") for bar in found.bars)


@pytest.mark.parametrize("name", SWITCHES)
def test_blocks_move_towards_the_reader_in_the_order_of_time(name: str) -> None:
    found = case(name)
    assert [s.ms for s in found.stops] == sorted(s.ms for s in found.stops)
    assert found.stops[-1].ms <= 90
    # Nobody is at work or waits for anything where a recording is not shown further.
    assert found.stops[-1].rails[0] == "asleep: all six threads"
    assert found.stops[-1].rails[3] in ("has the whole answer", "pauses")
    for stop, after in zip(found.stops, found.stops[1:], strict=False):
        for block, rail in stop.at.items():
            if block.startswith(("head", "body", "response")) and (
                stop.request == after.request
            ):
                assert after.at[block] >= rail


def test_chapter_06_does_not_tell_the_cure_before_its_time() -> None:
    text = (ROOT / "chapters" / "06-both" / "README.md").read_text(encoding="utf-8")
    shown = text.partition('{work("ladder"')[2].partition("<!-- / -->")[0]
    assert "two writes, request 2" in shown
    assert "one write" not in shown
    assert "NODELAY" not in shown
    # Not before the reader has been asked, and has opened the recording.
    assert text.index("Write down a name") < text.index('{work("ladder"')


def test_the_data_is_small() -> None:
    work = ladder(MATERIALS, *SWITCHES)
    assert len(json.dumps(work.data, ensure_ascii=False, separators=(",", ":"))) < 9_000


def figure_of(page: Page, site: Site, chapter: str) -> Locator:
    page.goto(f"{site.folder.as_uri()}/chapters/{chapter}/index.html")
    return page.locator('figure[data-work="ladder"]')


def rail(figure: Locator, name: str) -> Locator:
    return figure.locator(".ladder-rail", has=figure.page.get_by_text(f"{name}:"))


def test_at_first_the_reader_sees_the_body_in_the_kernel_and_nobody_awake(
    browser: Browser, site: Site
) -> None:
    with opened(browser, PHONE, "dark") as (page, wrong):
        figure = figure_of(page, site, "06-both")
        expect(rail(figure, "server’s threads")).to_contain_text("asleep: all six")
        expect(rail(figure, "server’s kernel")).to_contain_text("body, 70 bytes")
        expect(rail(figure, "client’s kernel")).to_contain_text("(inferred)")
        expect(rail(figure, "client’s kernel")).to_contain_text("acknowledgement")
        expect(rail(figure, "client")).to_contain_text("head, 101 bytes")
        expect(figure.locator("[aria-live]")).to_contain_text("Nothing happens")
        assert wrong == []


def test_arrow_keys_go_from_event_to_event(browser: Browser, site: Site) -> None:
    found = case("two writes")
    with opened(browser, DESK) as (page, wrong):
        figure = figure_of(page, site, "06-both")
        slider = figure.get_by_role("slider")
        slider.focus()
        page.keyboard.press("Home")
        for stop in found.stops:
            expect(slider).to_have_attribute("aria-valuetext", f"{stop.ms:.2f} ms")
            expect(figure.locator("[aria-live]")).to_have_text(stop.said)
            for block, where in stop.at.items():
                inside = figure.locator(".ladder-rail").nth(where)
                expect(inside.get_by_text(block, exact=True)).to_be_visible()
            page.keyboard.press("ArrowRight")
        # It ends there, and goes back the same way.
        expect(figure.get_by_role("button", name="Next event")).to_be_disabled()
        page.keyboard.press("ArrowLeft")
        expect(figure.locator("[aria-live]")).to_have_text(found.stops[-2].said)
        figure.get_by_role("button", name="Next event").press("Enter")
        expect(figure.locator("[aria-live]")).to_have_text(found.stops[-1].said)
        assert wrong == []


def test_between_two_events_the_clock_goes_and_nothing_changes(
    browser: Browser, site: Site
) -> None:
    with opened(browser, DESK) as (page, _):
        figure = figure_of(page, site, "06-both")
        slider = figure.get_by_role("slider")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        # By the slider itself, which waits until the page stands still.
        slider.click(position={"x": box["width"] / 3, "y": box["height"] / 2})
        ms = float((figure.locator(".ladder-clock").inner_text()).removesuffix(" ms"))
        assert 28 < ms < 32
        expect(rail(figure, "server’s kernel")).to_contain_text("body, 70 bytes")
        expect(rail(figure, "server’s threads")).to_contain_text("asleep: all six")


def test_in_07_the_cure_is_seen_at_the_same_time_on_the_same_axis(
    browser: Browser, site: Site
) -> None:
    with opened(browser, PHONE) as (page, wrong):
        figure = figure_of(page, site, "07-one-line")
        ill = figure.get_by_role("button", name="two writes")
        ill.press("Enter")
        expect(ill).to_have_attribute("aria-pressed", "true")
        slider = figure.get_by_role("slider")
        slider.focus()
        page.keyboard.press("Home")
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        expect(rail(figure, "server’s kernel")).to_contain_text("body, 70 bytes")
        clock = figure.locator(".ladder-clock").inner_text()
        assert clock == "22.10 ms"
        figure.get_by_role("button", name="one write").press("Enter")
        expect(figure.locator(".ladder-clock")).to_have_text(clock)
        expect(rail(figure, "server’s kernel")).to_contain_text("has nothing")
        expect(rail(figure, "client")).to_contain_text("has the whole answer")
        assert wrong == []
