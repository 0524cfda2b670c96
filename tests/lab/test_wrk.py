"""wrk as a load generator: what it is told, and what is made of its output."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.load import wrk
from lab.load.run import LoadSpec
from lab.load.target import LoadError
from lab.load.wrk import run_wrk, wrk_version
from tests.lab.scripted_server import (
    Exchange,
    ScriptedServer,
    answer,
    response,
    serving,
)


@pytest.fixture
def server(needs_tool: Callable[[str], str]) -> Iterator[ScriptedServer]:
    needs_tool("wrk")
    with serving() as server:
        yield server


def test_it_says_which_wrk_this_is(server: ScriptedServer) -> None:
    version = wrk_version()
    assert version
    assert any(character.isdigit() for character in version)


def test_requests_differ_and_answers_are_counted(server: ScriptedServer) -> None:
    moments: list[tuple[str, int]] = []
    spec = LoadSpec(
        server.host,
        server.port,
        connections=4,
        seconds=1,
        processes=2,
        headers="browser",
        silent=3,
        path="/echo",
    )
    result = run_wrk(spec, lambda each: moments.append((each, len(server.requests))))
    assert [moment for moment, _ in moments] == ["start", "end"]
    assert len(set(server.requests)) == len(server.requests)
    assert len({len(request) for request in server.requests}) == 1
    assert all(each.startswith(b"GET /echo?n=") for each in server.requests)
    assert len(server.requests[0].split(b"\r\n")[1:-2]) == 13
    assert 0 <= len(server.requests) - result.requests <= 8
    assert result.errors == {}
    assert result.silent_open == 3
    # wrk opens one connection more, to see whether anybody listens.
    assert server.accepted == 4 + 3 + 1
    assert result.latency
    latency = result.latency
    assert 0 < latency.p50 <= latency.p75 <= latency.p90 <= latency.p99 <= latency.max
    assert result.seconds == pytest.approx(1, abs=0.5)
    assert result.bytes_received == result.requests * len(response())
    assert 0 < result.generator_cpu <= result.generator_busy < 1.1


def test_close_and_other_statuses(needs_tool: Callable[[str], str]) -> None:
    needs_tool("wrk")

    async def refuse_some(exchange: Exchange) -> None:
        if exchange.number % 2:
            await answer(exchange)
        else:
            fields = "Connection: close\r\n"
            await exchange.answer(response(status="503 Busy", fields=fields))
            exchange.close()

    with serving(refuse_some) as server:
        spec = LoadSpec(server.host, server.port, 2, 1, keep_alive=False)
        result = run_wrk(spec)
        assert server.accepted >= len(server.requests)
        assert result.errors["status"] == pytest.approx(result.requests, abs=4)


def test_nothing_listens(needs_tool: Callable[[str], str]) -> None:
    needs_tool("wrk")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(LoadError, match="nothing listens"):
        run_wrk(LoadSpec("127.0.0.1", port, 1, 1))


def test_a_machine_without_wrk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert wrk_version() is None
    with pytest.raises(LoadError, match="wrk is not installed"):
        run_wrk(LoadSpec("127.0.0.1", 80, 1, 1))


def test_wrk_has_no_constant_rate(needs_tool: Callable[[str], str]) -> None:
    needs_tool("wrk")
    with pytest.raises(LoadError, match="no constant rate"):
        run_wrk(LoadSpec("127.0.0.1", 80, 1, 1, rate=5))


def test_output_that_is_not_understood_is_an_error() -> None:
    spec = LoadSpec("127.0.0.1", 80, 1, 1)
    for output in ("", "wrk.lua: cannot open\n"):
        with pytest.raises(LoadError, match="wrk failed"):
            wrk._parse(spec, output, cpu=0.5, busy=0.5)
