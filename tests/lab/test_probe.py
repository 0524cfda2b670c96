"""The probe and the silent clients, against servers that do as they are told."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Sequence

import pytest

from lab.load import probe, silent
from lab.load.probe import Probe
from lab.load.silent import SilentClients
from lab.load.target import LoadError
from tests.lab.scripted_server import Behaviour, Exchange, answer, response, serving

Command = Callable[[Sequence[str]], int]

LINE = re.compile(
    r"request (\d+): (?:status (\d+), )?head after ([\d.]+) ms, "
    r"body after ([\d.]+) ms(?:, closed after ([\d.]+) ms)?"
)


async def body_later(exchange: Exchange) -> None:
    """Head at once; the body after 50 ms, as a delayed acknowledgement has it."""
    whole = response()
    await exchange.answer(whole[:-70])
    await asyncio.sleep(0.05)
    await exchange.answer(whole[-70:])


def test_a_body_that_comes_late_is_seen() -> None:
    with serving(body_later) as server:
        client = Probe(server.host, server.port, "/", timeout_s=5)
        timing = client.request()
        client.close()
        assert timing.status == 200
        assert timing.head_ms < timing.body_ms
        assert timing.body_ms >= 50
        assert timing.closed_ms is None


def test_one_line_for_each_request_on_one_connection(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving() as server:
        assert probe.main([server.url, "--requests", "3", "--pause-ms", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        matches = [LINE.fullmatch(line) for line in lines]
        assert [match and match[1] for match in matches] == ["1", "2", "3"]
        assert all(match and not match[2] and not match[5] for match in matches)
        assert server.accepted == 1


def test_close_opens_a_connection_for_each_and_tells_when_it_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving() as server:
        assert probe.main([server.url, "--requests", "2", "--close"]) == 0
        matches = [
            LINE.fullmatch(each) for each in capsys.readouterr().out.splitlines()
        ]
        assert len(matches) == 2
        assert all(match and match[5] for match in matches)
        assert server.accepted == 2


def test_pipelined_requests_are_sent_before_the_first_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def all_at_the_last(exchange: Exchange) -> None:
        if exchange.nth == 3:
            await exchange.answer(response() * 3)

    with serving(all_at_the_last) as server:
        arguments = [server.url, "--requests", "3", "--pipeline", "--timeout", "5"]
        assert probe.main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        matches = [LINE.fullmatch(line) for line in lines]
        assert [match and match[1] for match in matches] == ["1", "2", "3"]
        assert server.accepted == 1


def test_a_pipelined_request_that_is_forgotten_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def the_first_alone(exchange: Exchange) -> None:
        if exchange.nth == 1:
            await exchange.answer()

    with serving(the_first_alone) as server:
        arguments = [server.url, "--requests", "2", "--pipeline", "--timeout", "0.2"]
        assert probe.main(arguments) == 1
        told = capsys.readouterr()
        assert LINE.fullmatch(told.out.strip())
        assert told.err == "request 2: no answer after 0.2 s\n"


def test_an_answer_that_closes_ends_a_pipeline(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def close(exchange: Exchange) -> None:
        await exchange.answer(response(fields="Connection: close\r\n"))
        exchange.close()

    with serving(close) as server:
        assert probe.main([server.url, "--requests", "2", "--pipeline"]) == 1
        closed = "request 2: the server closed the connection without an answer\n"
        assert capsys.readouterr().err == closed
        assert server.accepted == 1


def test_another_status_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer(response(status="404 Not Found"))

    with serving(behave) as server:
        assert probe.main([server.url]) == 0
        match = LINE.fullmatch(capsys.readouterr().out.strip())
        assert match
        assert match[2] == "404"


async def say_nothing(exchange: Exchange) -> None:
    pass


async def say_the_head(exchange: Exchange) -> None:
    await exchange.answer(response()[:-70])


async def say_all_but_stay(exchange: Exchange) -> None:
    await exchange.answer(response(fields="Connection: close\r\n"))


async def close(exchange: Exchange) -> None:
    exchange.close()


async def break_off(exchange: Exchange) -> None:
    await exchange.answer(response()[:-1])
    exchange.close()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def babble(exchange: Exchange) -> None:
    await exchange.answer(b"220 ready for mail\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (say_nothing, r"no answer after 0\.1 s"),
        (say_the_head, r"head after [\d.]+ ms, but no body after 0\.1 s"),
        (say_all_but_stay, r"head after .* but the connection is still open after .*"),
        (close, "the server closed the connection without an answer"),
        (break_off, "the server closed the connection inside its answer"),
        (reset, "the server reset the connection"),
        (babble, "the answer is not HTTP"),
    ],
)
def test_a_failure_is_one_clear_line(
    behaviour: Behaviour, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def behave(exchange: Exchange) -> None:
        await (answer if exchange.nth == 1 else behaviour)(exchange)

    with serving(behave) as server:
        options = ["--requests", "3", "--timeout", "0.1"]
        assert probe.main([server.url, *options]) == 1
        captured = capsys.readouterr()
        assert re.fullmatch(rf"request 2: {message}\n", captured.err)
        assert captured.out.startswith("request 1: head")


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.mark.parametrize("command", [probe.main, silent.main])
def test_nothing_listens(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    assert command([url]) == 1
    assert capsys.readouterr().err == (
        f"nothing listens on {url}: "
        "start a step first, for example: python -m steps.step03\n"
    )


@pytest.mark.parametrize("command", [probe.main, silent.main])
def test_other_machines_are_refused(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["http://192.0.2.1/"]) == 1
    assert "this machine only" in capsys.readouterr().err


def test_half_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        assert probe.main([server.url, "--half", "--timeout", "0.1"]) == 0
        assert capsys.readouterr().out == "half a request: nothing happened in 0.1 s\n"
        assert server.requests == []


# Silent clients


def test_silent_clients_hold_their_connections_and_say_nothing() -> None:
    with serving() as server:
        with SilentClients(server.host, server.port, 25) as clients:
            server.wait_until(lambda: server.open == 25)
            assert clients.still_open() == 25
        server.wait_until(lambda: server.open == 0)
        assert server.requests == []


def test_silent_clients_know_which_of_them_are_still_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        with SilentClients(host, port, 3) as clients:
            accepted = [listener.accept()[0] for _ in range(3)]
            accepted[0].close()
            accepted[1].sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            accepted[1].close()
            assert clients.still_open() == 1
            accepted[2].close()
            assert clients.still_open() == 0


def test_no_silent_clients_are_fine() -> None:
    with SilentClients("127.0.0.1", unused_port(), 0) as clients:
        assert clients.still_open() == 0


def test_silent_clients_that_are_refused() -> None:
    with (
        pytest.raises(LoadError, match="nothing listens"),
        SilentClients("127.0.0.1", unused_port(), 2),
    ):
        pass


@pytest.mark.parametrize(
    ("option", "said", "requests"),
    [
        ([], "nothing", 0),
        (["--half"], "half a request", 0),
        (["--unread"], "a request", 2),
    ],
)
def test_the_silent_command(
    option: list[str], said: str, requests: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        options = ["--connections", "2", "--seconds", "0.1", *option]
        assert silent.main([server.url, *options]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"2 connections to {server.url[:-1]} open, {said} sent.",
            "0 s later: 2 of 2 still open.",
        ]
        server.wait_until(lambda: server.accepted == 2 and server.open == 0)
        assert len(server.requests) == requests


def test_a_kept_connection_was_served_once_and_says_no_more() -> None:
    with serving() as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        with SilentClients("127.0.0.1", port, 2, "kept") as held:
            assert held.still_open() == 2
            assert len(server.requests) == 2


def test_the_silent_command_tells_what_the_server_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        url = f"http://{host}:{port}"

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert silent.main([url, "--half", "--seconds", "5"]) == 0
        thread.join()
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"1 connection to {url} open, half a request sent."
        assert lines[1] == "connection 1: the server said HTTP/1.1 408 Request Timeout"
        assert re.fullmatch(
            r"connection 1: closed by the server after [\d.]+ s", lines[2]
        )
        assert re.fullmatch(r"\d s later: 0 of 1 still open\.", lines[3])
