"""Clients that hold a connection. How many stop a server is by its construction."""

import asyncio
import contextlib
import itertools
import socket
import sys
import time

import pytest

from lab.doctor import holders, holding
from lab.doctor.observations import Held
from lab.doctor.plan import Plan
from lab.doctor.process import Watched, deferred, in_the_kernel
from lab.doctor.raw import Target, Wire
from lab.doctor.slow import slow
from lab.load.target import LoadError
from tests.lab.doctor.servers import room_for, target_of
from tests.lab.scripted_server import (
    Exchange,
    ScriptedServer,
    answer,
    response,
    serving,
)

PLAN = Plan(5.0)


async def never(_: Exchange) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("connections", [1, 5])
@pytest.mark.parametrize("kind", ["silent", "half"])
def test_so_many_stop_it(kind: str, connections: int) -> None:
    with room_for(connections) as server:
        *_, last = holding.held(target_of(server), kind, PLAN, None)
    assert last.stopped
    assert last.again == (1, 1)
    assert last.limit == connections


@pytest.mark.parametrize("kind", ["silent", "half", "body", "unread"])
def test_none_stop_it(kind: str) -> None:
    with serving(answer) as server:
        tries = holding.held(target_of(server), kind, PLAN, None)
    assert [each.holders for each in tries] == [1, 8, 64][: len(tries)]
    assert len(tries) == (2 if kind == "unread" else 3)
    assert not any(each.stopped for each in tries)


def test_who_is_told_to_go_away_is_not_answered() -> None:
    found: list[ScriptedServer] = []

    async def behave(exchange: Exchange) -> None:
        if found[0].open > 5:
            await exchange.answer(response(status="503 Service Unavailable"))
        else:
            await answer(exchange)

    with serving(behave) as server:
        found.append(server)
        *_, last = holding.held(target_of(server), "silent", PLAN, None)
        few = holding.hold(target_of(server), "silent", 4, 0.5, None)
    assert last.stopped
    assert last.limit == 5
    assert not few.stopped


def test_work_that_was_asked_for_is_no_stop() -> None:
    """It needs no body, and works on one request at a time: they queue, and it ends."""
    one = asyncio.Lock()

    async def behave(exchange: Exchange) -> None:
        async with one:
            await asyncio.sleep(0.02)
        await answer(exchange)

    with serving(behave) as server:
        tries = holding.held(target_of(server), "body", PLAN, None)
    assert [each.holders for each in tries] == [1, 8, 64]
    assert not any(each.stopped for each in tries)


def test_a_server_that_is_at_work_is_not_said_to_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding, "WORKED_OFF_S", 0.05)
    watched = Watched([])
    used = itertools.count()
    monkeypatch.setattr(watched, "wanted_s", lambda: float(next(used)))
    with serving(never) as server, Wire(target_of(server)) as other:
        seen = Held("unread", 1, 1, None)
        assert not holding._worked_off(seen, other, [], 0.01, watched)
        assert seen.busy
        seen = Held("unread", 1, 1, None)
        monkeypatch.setattr(watched, "wanted_s", lambda: 1.0)
        assert not holding._worked_off(seen, other, [], 0.01, watched)
        assert not seen.busy


def test_a_worker_that_is_added_soon_is_waited_for() -> None:
    """It makes room the second time, when there was none: nobody is stopped."""
    found: list[ScriptedServer] = []
    refused: list[int] = []

    async def behave(exchange: Exchange) -> None:
        if found[0].open > 4:
            refused.append(exchange.number)
        while len(refused) == 1 and found[0].open > 4:
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.1 if len(refused) > 1 else 0.0)
        await answer(exchange)

    with serving(behave) as server:
        found.append(server)
        *_, last = holding.held(target_of(server), "silent", PLAN, None)
    assert last.stopped
    assert last.again == (0, 1)


@pytest.mark.parametrize(("ended", "limit"), [("", 6), ("whole", 2)])
def test_who_was_turned_away_did_not_hold_it(
    ended: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is given up after some seconds leaves room for others."""
    found = [
        Held("silent", 8, 8, None, "", 7),
        Held("silent", 8, 8, None, ended, 3),
    ]
    monkeypatch.setattr(holding, "HOLDERS", (8,))
    monkeypatch.setattr(holding, "hold", lambda *_: found.pop(0))
    [seen] = holding.held(Target("127.0.0.1", 1), "silent", PLAN, None)
    assert seen.again == (1, 1)
    assert seen.limit == limit


def test_who_starts_workers_may_start_more(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched([])
    workers = itertools.chain([1, 2, 2, 4], itertools.repeat(4))
    monkeypatch.setattr(watched, "workers", lambda: next(workers))
    with serving(never) as server, Wire(target_of(server)) as other:
        seen = Held("half", 1, 1, None)
        assert not holding._worked_off(seen, other, [], 0.01, watched)
    assert not seen.busy
    assert next(workers) == 4
    monkeypatch.setattr(holding, "WORKED_OFF_S", 0.05)
    monkeypatch.setattr(watched, "workers", itertools.count().__next__)
    with serving(never) as server, Wire(target_of(server)) as other:
        assert not holding._worked_off(seen, other, [], 0.01, watched)
    assert seen.busy


def test_a_client_that_does_not_read_may_take_a_while_to_stop_it() -> None:
    """Its answers go into the kernels' buffers first."""
    found: list[ScriptedServer] = []
    full = asyncio.Event()

    async def behave(exchange: Exchange) -> None:
        if found[0].accepted == 1:
            asyncio.get_running_loop().call_later(0.3, full.set)
        while full.is_set() and found[0].open > 1:
            await asyncio.sleep(0.01)
        await answer(exchange)

    with serving(behave) as server:
        found.append(server)
        seen = holding.hold(target_of(server), "unread", 1, 0.5, None)
    assert seen.stopped
    assert seen.limit == 1


def test_no_more_are_opened_where_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[float] = []

    def wire(target: Target, timeout_s: float, small: bool = False) -> Wire:
        opened.append(timeout_s)
        if len(opened) == 3:
            raise TimeoutError
        return Wire(target, timeout_s)

    monkeypatch.setattr(holding, "Wire", wire)
    with serving(answer) as server:
        seen = holding.hold(target_of(server), "silent", 8, 0.5, None)
    assert seen.holders == 2
    assert len(opened) == 4  # and the one who asks beside them


@pytest.mark.skipif(sys.platform != "linux", reason="Linux can defer, and says so")
def test_who_is_kept_from_the_server_is_seen() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        port = listener.getsockname()[1]
        assert deferred(port) == 0
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        assert deferred(port) == 1
        client.send(b"G")
        stack.enter_context(listener.accept()[0])
        assert deferred(port) == 0


def test_they_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [3, 2, 0]
    monkeypatch.setattr(holding, "deferred", lambda _: kept.pop(0))
    assert not holding._kept_out(1)
    assert not kept
    monkeypatch.setattr(holding, "deferred", lambda _: 1)
    monkeypatch.setattr(holding, "HANDED_ON_BY_S", 0.0)
    assert holding._kept_out(1)


@pytest.mark.parametrize("at_once", [1, 4, 9, 100])
def test_a_slow_request(at_once: int) -> None:
    """Asked for it, so many may be at work; whoever comes then has to wait."""
    room = asyncio.Semaphore(at_once)

    async def behave(exchange: Exchange) -> None:
        async with room:
            if b"GET /slow " in exchange.request:
                await asyncio.sleep(0.4)
            await answer(exchange)

    with serving(behave) as server:
        seen = slow(target_of(server), "/slow", 1.0, PLAN)
    assert seen
    assert seen.one
    assert seen.one.stopped is (at_once == 1)
    if at_once > 1:
        assert seen.several
        assert seen.several.stopped is (at_once < 12)
        assert 0 < seen.works_on <= at_once


def test_a_page_that_is_not_slow_is_none() -> None:
    with serving(answer) as server:
        assert slow(target_of(server), "/slow", 1.0, PLAN) is None


def test_no_more_hold_on_than_this_side_has_descriptors_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def allow(count: int) -> None:
        if count > 8:
            raise LoadError("no more")

    monkeypatch.setattr(holding, "allow_connections", allow)
    with serving(answer) as server:
        tries = holding.held(target_of(server), "silent", PLAN, None)
    assert [each.holders for each in tries] == [1, 8]


@pytest.mark.parametrize("answers", [True, False])
def test_who_is_answered_before_the_body_may_have_given_work(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behave(exchange: Exchange) -> None:
        if answers or not exchange.request.startswith(b"POST"):
            await answer(exchange)

    busy = Watched([])
    monkeypatch.setattr(busy, "rests_within", lambda _: False)
    with serving(behave) as server:
        seen = holding.hold(target_of(server), "body", 1, 0.2, busy)
    assert seen.busy is answers


def test_who_waits_for_work_does_not_wait_for_those_who_do_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It answers all that was asked for before, which nobody reads, and then others."""
    monkeypatch.setattr(holders, "UNREAD_REQUESTS", 200)
    answered: list[int] = []

    async def behave(exchange: Exchange) -> None:
        is_other = exchange.number > 1 and exchange.nth == 1
        while is_other and len(answered) < 200:
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.003)
        answered.append(exchange.number)
        await answer(exchange)

    with serving(behave) as server:
        seen = holding.hold(target_of(server), "unread", 1, 0.1, None)
    assert seen.busy or not seen.stopped


def test_who_is_answered_late_was_not_stopped() -> None:
    """It is answered when somebody leaves, as it seems; and the next time by the clock,
    later than the first patience, of half a second, and nobody has left."""
    found: list[ScriptedServer] = []
    asked: list[int] = []

    async def behave(exchange: Exchange) -> None:
        asked.append(exchange.number)
        while len(asked) == 1 and found[0].open > 1:
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.6 if len(asked) > 1 else 0.0)
        await answer(exchange)

    with serving(behave) as server:
        found.append(server)
        first = holding.held(target_of(server), "silent", PLAN, None)[0]
    assert first.answered_after == 1
    assert first.again == (0, 1)


@pytest.mark.parametrize("refuse", [True, False])
def test_who_is_told_that_there_is_no_room_is_not_served(refuse: bool) -> None:
    async def behave(exchange: Exchange) -> None:
        if refuse and server.open > 5:
            exchange.writer.write(response(status="503 Service Unavailable"))
            exchange.close()
        else:
            await answer(exchange)

    with serving(behave) as server:
        *_, last = holding.held(target_of(server), "silent", PLAN, None)
    assert last.stopped is refuse
    assert last.ended == ("told 503" if refuse else "")
    assert last.limit == (5 if refuse else None)


def test_those_that_were_told_something_and_closed_are_not_open() -> None:
    async def behave(exchange: Exchange) -> None:
        await answer(exchange)
        exchange.close()

    with serving(behave) as server, Wire(target_of(server)) as wire:
        wire.send(wire.target.request())
        server.wait_until(lambda: server.accepted == 1 and server.open == 0)
        assert holding.still_open([wire]) == 0


def test_what_works_now_and_then_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    wants = [1.7, 1.0, 0.9, 0.1, 1.0]
    watched = Watched([])
    monkeypatch.setattr(watched, "wants", lambda _: wants.pop(0))
    assert holding.at_rest(watched) == 0.1
    assert wants == [1.0]  # and then it is decided


@pytest.mark.skipif(
    sys.platform != "linux", reason="/proc/net has what is in the kernel"
)
def test_who_works_without_a_processor_is_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it writes for those who do not read goes on growing in the kernel."""
    monkeypatch.setattr(holding, "WORKED_OFF_S", 0.3)
    goes_on = [True]

    async def behave(exchange: Exchange) -> None:
        while goes_on[0]:
            exchange.writer.write(b"x" * 100)
            await asyncio.sleep(0.01)
        exchange.writer.transport.abort()  # who closes waits until it is read

    with serving(behave) as server:
        target = target_of(server)
        with Wire(target, small=True) as deaf, Wire(target) as other:
            deaf.send(target.request())
            seen = Held("unread", 1, 1, None)
            while not in_the_kernel(target.port)[0]:
                time.sleep(0.01)
            assert not holding._worked_off(seen, other, [deaf], 0.1, None)
            assert seen.busy
            goes_on[0] = False
            server.wait_until(lambda: server.open == 1)
            seen = Held("unread", 1, 1, None)
            assert not holding._worked_off(seen, other, [deaf], 0.1, None)
            assert not seen.busy
