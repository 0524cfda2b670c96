"""How the parts of an answer arrive. The kernel's timers are what is looked at."""

import asyncio
import sys
from types import SimpleNamespace

import pytest

from lab.doctor import growth as growing
from lab.doctor.growth import contact, growth
from lab.doctor.judge_growth import fixed_wait
from lab.doctor.judge_waits import stall_ms, timeout_ms, two_writes
from lab.doctor.observations import Observations, Point, Split
from lab.doctor.plan import Plan
from lab.doctor.raw import Target
from lab.doctor.split import SURE_ROUNDS, split
from lab.doctor.verdict import verdict
from tests.lab.doctor import servers
from tests.lab.scripted_server import Behaviour, Exchange, answer, response, serving

PLAN = Plan(5.0)
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="how acknowledgements are delayed is Linux's way"
)


def look(behaviour: Behaviour) -> tuple[Observations, Split]:
    with serving(behaviour) as server:
        target = servers.target_of(server)
        seen = Observations(target.url, 5.0, contact=contact(target, PLAN))
        assert seen.contact
        seen.split = split(target, seen.contact, PLAN)
    return seen, seen.split


@linux
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (servers.two_writes, "the head and the body of a response separately"),
        (servers.a_write_a_line, "a response in several small pieces"),
    ],
)
def test_small_writes_are_held_back(behaviour: Behaviour, words: str) -> None:
    seen, parts = look(behaviour)
    assert stall_ms(parts) is not None
    assert timeout_ms(parts) is None
    assert words in verdict(seen).findings[0].sentence


@linux
def test_small_writes_of_the_answer_to_a_post_are_held_back() -> None:
    async def behave(exchange: Exchange) -> None:
        posted = b"POST / " in exchange.request
        await (servers.two_writes if posted else answer)(exchange)

    seen, parts = look(behave)
    assert stall_ms(parts) is None
    assert [each.id for each in verdict(seen).findings] == ["stall-post"]


@linux
def test_without_nagles_algorithm_they_are_two_and_nothing_more() -> None:
    seen, parts = look(servers.two_writes_without_delay)
    assert stall_ms(parts) is None
    assert two_writes(seen, parts)


def test_one_write() -> None:
    seen, parts = look(answer)
    assert stall_ms(parts) is None
    assert timeout_ms(parts) is None
    assert not two_writes(seen, parts)


@linux
def test_closing_hides_it() -> None:
    seen, parts = look(servers.two_writes_and_close)
    assert parts.alone is None
    assert seen.contact
    assert seen.contact.closed == seen.contact.connections
    assert [each.id for each in verdict(seen).findings] == ["closes", "hidden-stall"]


def test_a_timeout_that_whoever_comes_ends() -> None:
    came = asyncio.Event()

    async def wait_for_others(exchange: Exchange) -> None:
        if exchange.nth == 1:
            came.set()  # somebody has come
        else:
            came.clear()
            try:
                await asyncio.wait_for(came.wait(), 0.2)
            except TimeoutError:
                pass
        await answer(exchange)

    _, parts = look(wait_for_others)
    waits = timeout_ms(parts)
    assert waits is not None
    assert waits >= 190
    assert parts.beside
    # It was looked at again and again, for once may be noise.
    assert len(parts.beside.head_ms) == SURE_ROUNDS * PLAN.exchanges


def test_a_wait_that_is_the_servers_own() -> None:
    _, parts = look(servers.sleeps)
    assert stall_ms(parts) is None
    assert timeout_ms(parts) is None
    with serving(servers.sleeps) as server:
        points = growth(servers.target_of(server), PLAN, None)
    assert all(not point.errors for point in points)
    one, some, many = points
    assert one.p50_ms >= 30
    # On a busy machine a hundred sleepers may wake late; the wait itself stays.
    assert fixed_wait(one, some, many) or many.p50_ms > 45


async def refuses_a_query(exchange: Exchange) -> None:
    known = exchange.request.startswith(b"GET / ")
    await exchange.answer(response(status="200 OK" if known else "404 Not Found"))


def test_the_page_is_asked_for_as_it_is() -> None:
    with serving(refuses_a_query) as server:
        one = growing.load(servers.target_of(server), 1, PLAN, None)
    assert one.requests
    assert one.errors == {}


async def one_connection_at_a_time(exchange: Exchange) -> None:
    await answer(exchange)
    exchange.close()


def test_where_each_answer_ends_a_connection_each_request_opens_one() -> None:
    with serving(one_connection_at_a_time) as server:
        growth(servers.target_of(server), PLAN, None, keeps=False)
    assert all(b"Connection: close" in request for request in server.requests)


@pytest.mark.parametrize(("a_load_s", "loads"), [(0.5, 6), (6.0, 3)])
def test_a_second_round_only_where_the_first_took_no_more_than_its_time(
    a_load_s: float, loads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def load(_: Target, connections: int, *__: object) -> Point:
        done.append(connections)
        return Point(connections, 100, 100.0, 1.0, {}, 0, False)

    clock = SimpleNamespace(monotonic=lambda: len(done) * a_load_s)
    monkeypatch.setattr(growing, "load", load)
    monkeypatch.setattr(growing, "time", clock)
    points = growth(Target("127.0.0.1", 1), Plan(30.0), None)
    assert len(done) == loads
    assert [point.connections for point in points] == [1, 10, 100]


def test_errors_of_one_round_alone_are_an_accident(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [{"closed": 77, "reset": 3}] * 3 + [{"reset": 2}] * 3

    def load(_: Target, connections: int, *__: object) -> Point:
        return Point(connections, 100, 100.0, 1.0, found.pop(), 0, False)

    monkeypatch.setattr(growing, "load", load)
    points = growth(Target("127.0.0.1", 1), Plan(30.0), None)
    assert [point.errors for point in points] == [{"reset": 2}] * 3
