"""The load generator, against servers that do as they are told."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from lab.load import run as load
from lab.load.child import allow_connections
from lab.load.run import LoadResult, LoadSpec, is_generator_bound, run_load
from lab.load.target import LoadError
from lab.paths import ROOT
from tests.lab.scripted_server import (
    Behaviour,
    Exchange,
    ScriptedServer,
    answer,
    response,
    serving,
)

CLOSE = response(fields="Connection: close\r\n")


def run(server: ScriptedServer, **changes: Any) -> LoadResult:
    """A short load on that server."""
    return run_load(spec(server, **changes))


def spec(server: ScriptedServer, **changes: Any) -> LoadSpec:
    settings = {"connections": 3, "seconds": 0.05, "timeout_s": 5.0} | changes
    return LoadSpec(host=server.host, port=server.port, **settings)


def run_until(
    enough: Callable[[LoadResult], object],
    behaviour: Behaviour = answer,
    **changes: Any,
) -> tuple[ScriptedServer, LoadResult]:
    """A load on a new server that is long enough, and what that server has seen.

    A twentieth of a second is, unless this machine is very busy.
    """
    for seconds in (0.05, 0.5, 2.5):
        with serving(behaviour) as server:
            result = run(server, seconds=seconds, **changes)
            server.wait_until(lambda: not server.open)
        if enough(result):
            break
    return server, result


def at_least(requests: int) -> Callable[[LoadResult], bool]:
    return lambda result: result.requests >= requests


# What is sent and what is counted


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_it_counts_the_answers_that_the_server_gave(keep_alive: bool) -> None:
    server, result = run_until(at_least(10), keep_alive=keep_alive, connections=5)
    # Those that were in flight when the time was over had an answer, but too late.
    assert 0 <= len(server.requests) - result.requests <= 5
    assert result.requests >= 10
    assert result.errors == {}
    assert result.histogram
    assert result.histogram.count == result.requests
    assert result.throughput_rps == result.requests / result.seconds
    if keep_alive:
        assert server.accepted == 5
        assert result.bytes_received == result.requests * len(response())
    else:
        assert server.accepted == len(server.requests)
        assert result.bytes_received == result.requests * len(CLOSE)
        assert all(b"Connection: close" in each for each in server.requests)


@pytest.mark.parametrize("headers", ["plain", "browser"])
def test_no_two_requests_are_the_same_but_all_are_as_long(headers: str) -> None:
    server, _ = run_until(
        at_least(10), headers=headers, processes=2, path="/echo?a=%41"
    )
    assert len(server.requests) >= 10
    assert len(set(server.requests)) == len(server.requests)
    assert len({len(request) for request in server.requests}) == 1
    assert all(each.startswith(b"GET /echo?a=%41&n=") for each in server.requests)
    fields = server.requests[0].split(b"\r\n")[1:-2]
    assert len(fields) == {"plain": 1, "browser": 13}[headers]


def test_the_warm_up_is_not_counted() -> None:
    with serving() as server:
        # At a constant rate the number of requests is known beforehand.
        result = run(server, rate=200, warmup_s=0.1, seconds=0.1, connections=40)
        assert len(server.requests) == 40
        assert result.requests < 40
        assert result.histogram
        assert result.histogram.count == 20


def test_silent_connections_are_opened_first_and_never_send() -> None:
    orders: list[int] = []

    async def note(exchange: Exchange) -> None:
        orders.append(server.accepted)
        await answer(exchange)

    with serving(note) as server:
        result = run(server, silent=30)
        assert result.silent_open == 30
        assert result.errors == {}
        assert min(orders) >= 31
        assert server.accepted == 33
        assert all(request.endswith(b"\r\n\r\n") for request in server.requests)


def test_answers_may_come_in_pieces_and_change_their_length() -> None:
    async def behave(exchange: Exchange) -> None:
        body = b"y" * (exchange.number % 3 * 50_000)
        whole = response(body)
        await exchange.answer(whole[:20])
        await asyncio.sleep(0.001)
        await exchange.answer(whole[20:])

    _, result = run_until(at_least(6), behave, connections=2)
    assert result.errors == {}
    assert result.requests >= 6
    lengths = [len(response(b"y" * size)) for size in (0, 50_000, 100_000)]
    assert min(lengths) < result.bytes_received / result.requests < max(lengths)


def test_latency_ends_with_the_last_byte() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer(response()[:-1])
        await asyncio.sleep(0.05)
        await exchange.answer(response()[-1:])

    _, result = run_until(at_least(1), behave)
    assert result.latency
    assert result.latency.p50 >= 50


def test_a_server_may_close_a_kept_connection_after_an_answer() -> None:
    async def behave(exchange: Exchange) -> None:
        if exchange.nth == 3:
            await exchange.answer(CLOSE)
            exchange.close()
        else:
            await exchange.answer()

    _, result = run_until(at_least(10), behave)
    assert result.errors == {}
    assert result.requests >= 10
    assert result.reconnects == pytest.approx(result.requests / 3, abs=6)


# Errors


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def close(exchange: Exchange) -> None:
    exchange.close()


async def say_nothing(exchange: Exchange) -> None:
    pass


async def break_off(exchange: Exchange) -> None:
    await exchange.answer(response()[:-1])
    exchange.close()


async def never_end(exchange: Exchange) -> None:
    await exchange.answer(response()[:-1])


async def be_overloaded(exchange: Exchange) -> None:
    await exchange.answer(response(status="503 Service Unavailable"))


async def babble(exchange: Exchange) -> None:
    await exchange.answer(b"220 ready for mail\r\n\r\n")


async def say_too_much(exchange: Exchange) -> None:
    await exchange.answer(response() + b"!")


async def have_no_length(exchange: Exchange) -> None:
    await exchange.answer(b"HTTP/1.1 200 OK\r\n\r\nhello")


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (reset, "reset"),
        (close, "closed"),
        (break_off, "short answer"),
        (say_nothing, "timeout"),
        (never_end, "timeout"),
        (be_overloaded, "status 503"),
        (babble, "malformed"),
        (say_too_much, "malformed"),
        (have_no_length, "timeout"),
    ],
)
def test_errors_are_counted_by_kind(behaviour: Behaviour, kind: str) -> None:
    async def behave(exchange: Exchange) -> None:
        # The first request of each connection goes well, also by the quick road.
        await (answer if exchange.nth < 3 else behaviour)(exchange)

    _, result = run_until(
        lambda result: result.requests and result.errors,
        behave,
        timeout_s=0.1 if kind == "timeout" else 5.0,
    )
    assert set(result.errors) == {kind}
    assert result.requests


def test_an_answer_of_the_usual_length_is_still_looked_at() -> None:
    usual, other = response(), response(status="500 NO")
    assert len(usual) == len(other)

    async def fail_every_second(exchange: Exchange) -> None:
        await exchange.answer(other if exchange.number % 2 else usual)

    _, result = run_until(at_least(4), fail_every_second, connections=1)
    assert result.requests >= 4
    assert result.errors["status 500"] == pytest.approx(result.requests, abs=2)

    longer = response(b"x" * 99)

    async def be_longer_every_second(exchange: Exchange) -> None:
        if exchange.number % 2:
            await exchange.answer()
        else:
            await exchange.answer(longer[: len(usual)])
            await asyncio.sleep(0.001)
            await exchange.answer(longer[len(usual) :])

    _, result = run_until(at_least(4), be_longer_every_second, connections=1)
    assert result.requests >= 4
    assert result.errors == {}
    assert result.bytes_received > result.requests * len(usual)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_a_hung_server_gives_a_result_in_bounded_time(keep_alive: bool) -> None:
    with serving(say_nothing) as server:
        began = time.monotonic()
        # Longer than most, for a busy machine, and too short to ask twice.
        result = run(server, seconds=0.25, timeout_s=0.3, keep_alive=keep_alive)
        assert time.monotonic() - began < 10
        assert result.requests == 0
        assert result.latency is None
        assert result.errors == {"timeout": 3}


def test_a_dead_server_is_not_met_with_a_storm() -> None:
    with serving(reset) as server:
        result = run(server, connections=2, seconds=0.3)
        assert 2 <= result.errors["reset"] <= 2 * 0.3 / 0.01 + 2


def test_a_server_that_goes_away_is_refusing() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def go_away(moment: str) -> None:
        listener.close()

    # Nobody accepts: the connections wait in the backlog, until it is gone.
    result = run_load(
        LoadSpec("127.0.0.1", port, connections=2, seconds=0.3), on_window=go_away
    )
    assert result.requests == 0
    assert result.errors["refused"] >= 2
    assert set(result.errors) <= {"refused", "reset"}


@pytest.mark.skipif(
    sys.platform != "linux", reason="backlogs overflow in their own way"
)
def test_a_full_backlog_is_a_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        result = run_load(
            LoadSpec("127.0.0.1", port, 5, 0.3, keep_alive=False, timeout_s=0.2)
        )
    assert set(result.errors) == {"timeout", "connect timeout"}


def test_close_mode_wants_the_server_to_close() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer()

    _, result = run_until(
        lambda result: "kept open" in result.errors,
        behave,
        keep_alive=False,
        timeout_s=0.1,
    )
    assert result.requests
    assert result.errors["kept open"]


def test_a_server_that_takes_connections_and_drops_them() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()

        def drop_all() -> None:
            while not stop.is_set():
                listener.accept()[0].close()

        thread = threading.Thread(target=drop_all)
        thread.start()
        try:
            result = run_load(LoadSpec(host, port, 50, 0.1))
        finally:
            stop.set()
            socket.create_connection((host, port)).close()
            thread.join()
    assert result.requests == 0
    assert result.errors
    assert set(result.errors) <= {"closed", "reset"}


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for keep_alive in (True, False):
        with pytest.raises(LoadError, match=f"nothing listens on http://127.*:{port}"):
            run_load(LoadSpec("127.0.0.1", port, 3, 1, keep_alive=keep_alive))
    with pytest.raises(LoadError, match="nothing listens"):
        run_load(LoadSpec("127.0.0.1", port, 3, 1, silent=2))


# Constant rate


def test_a_constant_rate_is_kept() -> None:
    with serving() as server:
        # So many connections that one is free, however slow this machine is.
        result = run(server, rate=300, seconds=0.2, processes=2, connections=60)
        assert len(server.requests) == 60
        assert result.histogram
        assert result.histogram.count == 60
        assert result.errors == {}


def test_a_constant_rate_in_close_mode_opens_a_connection_for_each() -> None:
    with serving() as server:
        run(server, rate=100, seconds=0.2, keep_alive=False, connections=20)
        assert len(server.requests) == 20
        assert server.accepted == len(server.requests)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_every_request_that_was_due_while_the_server_stood_still_is_charged(
    keep_alive: bool,
) -> None:
    async def stand_still_once(exchange: Exchange) -> None:
        if exchange.number == 5:
            await asyncio.sleep(0.2)
        await answer(exchange)

    with serving(stand_still_once) as server:
        result = run(
            server, connections=1, seconds=0.3, rate=100, keep_alive=keep_alive
        )
        # 20 of 30 requests were due meanwhile, and they waited between 200 and 0 ms. A
        # closed loop would have sent one of them.
        assert result.histogram
        assert result.histogram.count == 30
        assert result.histogram.percentile_ns(100 - 100 * 9 / 30) > 100e6


def test_requests_without_an_answer_count_with_the_time_that_they_waited() -> None:
    with serving(say_nothing) as server:
        result = run(server, connections=1, seconds=0.25, rate=100, timeout_s=0.1)
        assert result.requests == 0
        assert set(result.errors) == {"timeout", "unsent"}
        assert sum(result.errors.values()) == 25
        assert result.histogram
        assert result.histogram.count == 25
        assert result.latency
        assert result.latency.p50 > 80


# Its manners


def test_the_caller_learns_when_counting_begins_and_ends() -> None:
    moments: dict[str, float] = {}
    seen: dict[str, int] = {}
    with serving() as server:

        def note(moment: str) -> None:
            moments[moment] = time.monotonic()
            seen[moment] = len(server.requests)

        began = time.monotonic()
        run_load(spec(server, rate=200, warmup_s=0.1, seconds=0.1), note)
        assert len(server.requests) >= seen["end"] >= seen["start"]
    assert list(moments) == ["start", "end"]
    assert moments["start"] - began >= 0.1
    assert moments["end"] - began >= 0.2


def test_all_connections_are_open_before_the_first_request() -> None:
    accepted_before: list[int] = []

    async def note(exchange: Exchange) -> None:
        accepted_before.append(server.accepted)
        await answer(exchange)

    backlog = 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_connections(1_300)
    try:
        with serving(note, backlog) as server:
            result = run(server, connections=1_200)
            assert result.errors == {}
            assert min(accepted_before) >= 1_200 - backlog - 1
            assert server.accepted == 1_200
            server.wait_until(lambda: not server.open)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_descriptors_is_one_clear_line() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system sets no limit")
    with pytest.raises(LoadError, match=rf"descriptors.* {hard} here") as caught:
        run_load(LoadSpec("127.0.0.1", 1, connections=hard, seconds=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "0.0.0.0", "::1", "example.org", "127.0.0.1.example.org", ""]
)
def test_other_machines_are_refused(host: str) -> None:
    with pytest.raises(LoadError, match="this machine only"):
        LoadSpec(host, 80, 1, 1)
    assert LoadSpec("localhost", 80, 1, 1).host == "127.0.0.1"
    assert LoadSpec("127.0.0.9", 80, 1, 1).host == "127.0.0.9"


@pytest.mark.parametrize(
    "changes",
    [
        {"connections": 0},
        {"seconds": 0},
        {"rate": 0},
        {"processes": 4},
        {"path": "no-slash"},
        {"path": "/a b\r\n"},
        {"warmup_s": -1},
    ],
)
def test_a_load_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    good: dict[str, Any] = {"connections": 3, "seconds": 1}
    with pytest.raises(LoadError):
        LoadSpec("127.0.0.1", 80, **(good | changes))


def start_load(server: ScriptedServer) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.load.run", server.url, "--seconds", "60"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    server.wait_until(lambda: len(server.requests) > 200)
    return process


def test_generators_end_when_their_parent_is_killed() -> None:
    with serving() as server, start_load(server) as process:
        process.kill()
        server.wait_until(lambda: not server.open)


def test_ctrl_c_ends_everything_without_a_traceback() -> None:
    with serving() as server, start_load(server) as process:
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells the whole group
        output, errors = process.communicate(timeout=10)
        assert (process.returncode, output, errors) == (130, "", "")
        server.wait_until(lambda: not server.open)


def test_it_works_without_epoll() -> None:
    """As on macOS: the same child, with the standard library's selectors."""
    code = (
        "import sys; from lab.load.child import run_child; "
        "from lab.load.generator import generate; "
        "from lab.load.poller import SelectorPoller; "
        "sys.exit(run_child(lambda: generate(SelectorPoller)))"
    )
    for changes in ({}, {"keep_alive": False}, {"rate": 200}):
        with serving() as server:
            order = {"spec": asdict(spec(server, **changes)), "index": 0}
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            with process:
                assert process.stdin
                assert process.stdout
                process.stdin.write(f"{json.dumps(order)}\n")
                assert json.loads(process.stdout.readline()) == {"ready": True}
                start = {"start_ns": time.monotonic_ns()}
                process.stdin.write(f"{json.dumps(start)}\n")
                report = json.loads(process.stdout.readline())
            assert report["errors"].keys() <= {"unsent"}
            assert report["requests"] <= len(server.requests)
            assert report["histogram"]["counts"]


# Is the generator the limit?


def test_a_generator_with_idle_time_was_not_the_limit() -> None:
    assert not is_generator_bound(0.89)
    assert not is_generator_bound(0.89, server_cpu=0.1)
    assert is_generator_bound(0.91)
    assert is_generator_bound(0.91, server_cpu=0.89)
    assert not is_generator_bound(0.91, server_cpu=0.91)
    assert is_generator_bound(0.91, server_cpu=0.91, server_cores=2)


def test_a_waiting_generator_is_not_busy() -> None:
    async def think(exchange: Exchange) -> None:
        await asyncio.sleep(0.02)
        await answer(exchange)

    _, result = run_until(lambda result: result.generator_cpu < 0.5, think)
    assert 0 < result.generator_cpu < 0.5
    assert result.generator_cpu <= result.generator_busy
    busy = result.generator_busy >= 0.9
    assert result.judged(server_cpu=0.1).generator_bound == busy
    assert not result.judged(server_cpu=1.0).generator_bound


# The command


def test_the_command_prints_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        options = ["--seconds", "0.1", "--connections", "2", "--warmup", "0"]
        assert load.main([server.url, *options, "--silent", "3"]) == 0
        output = capsys.readouterr().out
        assert "requests/s" in output
        assert "2 connections, keep-alive" in output
        assert "silent connections still open: 3" in output
        assert "errors: none" in output


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "ftp://127.0.0.1/", "http://127.0.0.1:x/", "http://"]
)
def test_the_command_refuses_in_one_line(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load.main([url]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("stagger_s", [0.0, 0.2])
def test_connections_begin_at_once_or_one_after_another(stagger_s: float) -> None:
    places: list[int] = []

    async def note(exchange: Exchange) -> None:
        places.append(exchange.nth)
        await answer(exchange)

    with serving(note) as server:
        run(server, connections=4, seconds=0.3, stagger_s=stagger_s)
    firsts = [number for number, nth in enumerate(places) if nth == 1]
    assert len(firsts) == 4
    if stagger_s:
        # The first one has had an answer before the last one asks.
        assert firsts[-1] > 3
    else:
        assert firsts == [0, 1, 2, 3]


def test_only_kept_connections_are_staggered_and_all_of_them_begin() -> None:
    with pytest.raises(LoadError, match="closed loop"):
        LoadSpec("127.0.0.1", 80, 1, 1, keep_alive=False, stagger_s=0.1)
    with pytest.raises(LoadError, match="begun before the end"):
        LoadSpec("127.0.0.1", 80, 1, 1, stagger_s=1.0)
