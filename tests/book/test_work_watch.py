"""Who is watching me? What a reader sees of the recordings, and that it is so."""

import itertools
import json

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from book.drawn import Sources
from book.works.common import Materials
from book.works.watch import (
    AWAY,
    KEPT,
    NEW,
    OPEN,
    OUTSIDE,
    SHUT,
    SPINS,
    Case,
    case_of,
    watch,
)
from lab.trace.explain import end_us, lanes_of
from tests.book.conftest import Site
from tests.book.test_browser import DESK, PHONE, opened

# The first of them builds the book, or waits until another process has.
pytestmark = pytest.mark.timeout(240)

expect.set_options(timeout=20_000)

MATERIALS = Materials(Sources.load())
SHOWN = (
    "step03", "step03-newcomer", "step04", "step05", "step05-newcomer", "step06",
    "step08-kept",
)  # fmt: skip


def case(stem: str) -> Case:
    step, _, name = stem.partition("-")
    return case_of(stem, MATERIALS.trace(step, name))


@pytest.mark.parametrize("stem", SHOWN)
def test_who_is_in_the_shut_box_is_whom_select_was_given(stem: str) -> None:
    found = case(stem)
    step, _, name = stem.partition("-")
    lanes = lanes_of(MATERIALS.trace(step, name))
    lane = lanes.get("keeper") or lanes["loop"]
    looked = 0
    for event in lane:
        if event["name"] not in ("select", "spin"):
            continue
        within = [
            s
            for s in found.stops
            if event["ts"] / 1000 + 0.006 < s.ms < end_us(event) / 1000 - 0.006
        ]
        for stop in within:
            looked += 1
            there = {*stop.inside, *stop.watched()}
            gone = {c for c, place in stop.clients.items() if place == AWAY}
            kept = {*event["args"]["watched"]} - gone
            assert there == kept, stop
    assert looked > 3


@pytest.mark.parametrize("stem", SHOWN)
def test_the_box_is_one_of_its_step(stem: str) -> None:
    states = {stop.box for stop in case(stem).stops}
    if stem.startswith("step08"):
        assert states == {KEPT}
    elif stem.startswith("step04"):
        assert states == {SHUT, OPEN, SPINS}
    else:
        assert states == {SHUT, OPEN}


@pytest.mark.parametrize("stem", ["step03", "step05"])
def test_who_has_asked_stands_outside_until_the_timeout(stem: str) -> None:
    found = case(stem)
    n = found.decisive()
    assert found.stops[n].lost() == ["client 1"]
    assert "nobody hears it" in found.stops[n].said
    assert "timeout" in found.stops[n + 1].said
    assert found.stops[n + 1].ms - found.stops[n].ms > 90


@pytest.mark.parametrize("stem", ["step03-newcomer", "step05-newcomer"])
def test_a_newcomer_opens_the_box_early(stem: str) -> None:
    stop = case(stem).stops[case(stem).decisive()]
    assert stop.box == OPEN
    assert stop.clients == {"client 1": OUTSIDE, "client 2": NEW}
    assert 55 < stop.ms < 70


def test_in_06_nobody_who_has_asked_is_outside_for_long() -> None:
    stops = case("step06").stops
    for stop, after in itertools.pairwise(stops):
        if stop.lost():
            assert after.ms - stop.ms < 5


@pytest.mark.parametrize("stem", SHOWN)
def test_a_worker_is_said_to_sleep_where_it_was_recorded_asleep(stem: str) -> None:
    step, _, name = stem.partition("-")
    lanes = lanes_of(MATERIALS.trace(step, name))
    seen = 0
    for stop in case(stem).stops:
        for worker, does in stop.workers.items():
            if does != "sleeps":
                continue
            seen += 1
            us = stop.ms * 1000
            near = [e for e in lanes[worker] if e["ts"] - 20 <= us <= end_us(e) + 20]
            assert "wait" in {event["cat"] for event in near}, (stop, worker)
    assert seen


@pytest.mark.parametrize("stem", SHOWN)
def test_the_data_is_small(stem: str) -> None:
    data = watch(MATERIALS, {stem: stem}).data
    assert len(json.dumps(data, ensure_ascii=False, separators=(",", ":"))) < 5_000


def figure_of(page: Page, site: Site, chapter: str) -> Locator:
    page.goto(f"{site.folder.as_uri()}/chapters/{chapter}/index.html")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return page.locator('figure[data-work="watch"]')


def test_in_03_a_disc_stands_outside_the_shut_box(browser: Browser, site: Site) -> None:
    with opened(browser, PHONE) as (page, wrong):
        figure = figure_of(page, site, "03-timeout-and-rebuild")
        expect(figure.locator(".watch-outside")).to_contain_text("“I have asked”")
        box = figure.locator(".watch-box")
        expect(box).to_contain_text("shut: select() sleeps")
        expect(box).to_contain_text("listener")
        expect(box.locator(".watch-disc")).to_have_count(0)
        lid = (
            "e => getComputedStyle(e).borderTopColor"
            " === getComputedStyle(e).borderBottomColor"
        )
        assert box.evaluate(lid)
        expect(figure.locator(".watch-served")).to_contain_text("4 asleep")
        # The timeout opens it.
        slider = figure.get_by_role("slider")
        slider.focus()
        page.keyboard.press("ArrowRight")
        expect(figure.locator("[aria-live]")).to_contain_text("The timeout ends")
        expect(box).to_contain_text("open")
        assert not box.evaluate(lid)
        page.keyboard.press("ArrowRight")
        expect(box.locator(".watch-disc")).to_have_text("1")
        assert wrong == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_keyboard_walks_through_a_recording(
    browser: Browser, site: Site, size: dict[str, int]
) -> None:
    found = case("step03-newcomer")
    with opened(browser, size, "dark") as (page, wrong):
        figure = figure_of(page, site, "03-timeout-and-rebuild")
        figure.get_by_role("button", name="a newcomer").press("Enter")
        expect(figure.locator("[aria-live]")).to_contain_text("The box opens")
        figure.get_by_role("slider").focus()
        page.keyboard.press("Home")
        for stop in found.stops:
            expect(figure.locator("[aria-live]")).to_have_text(stop.said)
            there = [c for c, place in stop.clients.items() if place != AWAY]
            expect(figure.locator(".watch-disc")).to_have_count(len(there))
            said = [c for c in stop.asked if stop.clients[c] != NEW]
            expect(
                figure.locator(".work-stage").get_by_text("“I have asked”")
            ).to_have_count(len(said))
            page.keyboard.press("ArrowRight")
        expect(figure.get_by_role("button", name="Next event")).to_be_disabled()
        figure.get_by_role("button", name="Event before").press("Enter")
        expect(figure.locator("[aria-live]")).to_have_text(found.stops[-2].said)
        assert wrong == []


def test_in_08_a_client_stays_in_the_kernels_set_while_it_is_served(
    browser: Browser, site: Site
) -> None:
    with opened(browser, PHONE) as (page, wrong):
        figure = figure_of(page, site, "08-register-once")
        expect(figure.locator("[aria-live]")).to_contain_text("stays in the kernel")
        expect(figure.locator(".watch-box .watch-disc")).to_have_text(["1", "2"])
        assert wrong == []
