"""Step 12, and what came of it, when machines, networks and clients fail.

Others are elsewhere: signals, a stopped process, the clock, fork and the access log in
test_step12.py, resets against each reactor in test_reactors.py.
"""

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from steps.app import DOCUMENT
from steps.step12 import acceptor
from steps.step13.settings import Settings as Wsgi
from tests.steps.harness import (
    ON_THE_WIRE,
    REACTORS,
    ROOT,
    Client,
    Held,
    Listener,
    Process,
    Running,
    request_bytes,
    serving,
    settings_of,
    wait_until,
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has that")
WITH_SETTINGS = [
    step for step in ON_THE_WIRE if step[:6] in ("step12", "step13", "step15")
]
BIG = request_bytes("/bytes/30000000")
#: A request in all its parts, and the beginning of another.
REQUEST = (
    request_bytes("/echo", "Transfer-Encoding: chunked", method="POST")
    + b"3;a=b\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
    + request_bytes()[:-2]
)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR
    ]


def is_served(server: Running) -> bool:
    with Client(server.port) as client:
        return client.ask().body == DOCUMENT


# --- Half-open: the peer is gone, and nobody has said so ------------------------------

# linux/tcp.h; not in the socket module.
TCP_REPAIR = 19


def vanish(client: Client) -> None:
    """Like a machine that loses power: neither FIN nor RST. What comes later for it is
    answered with a RST, as by that machine when it has started again."""
    try:
        client.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        pytest.skip("only root may close a connection in silence")
    client.close()


@on_linux
@pytest.mark.parametrize("step", WITH_SETTINGS)
def test_half_open_peers(step: str, caplog: pytest.LogCaptureFixture) -> None:
    soon = dict.fromkeys(
        ("idle_timeout", "header_timeout", "body_timeout", "write_timeout"), 0.3
    )
    body = request_bytes("/echo", method="POST", body=b"hello")
    settings = settings_of(step)(**soon, grace=0.05)  # type: ignore[arg-type]
    with serving(step, settings=settings) as server:
        for data in (b"", request_bytes()[:-2], body[:-2], body + b"\r\n", BIG):
            client = server.client()
            client.send(data)
            if data is BIG:
                wait_until(lambda c=client: not c.has_nothing(), "the answer begins")  # type: ignore[misc]
            vanish(client)
        wait_until(lambda: server.stats.accepted == 5, "all are accepted")
        wait_until(lambda: server.stats.open == 0, "none is left")
        assert is_served(server)
    assert errors(caplog) == []


@on_linux
@pytest.mark.parametrize("step", [s for s in WITH_SETTINGS if not s.endswith("-0")])
def test_a_peer_that_vanishes_while_its_handler_runs(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Held() as held, serving(step, held) as server:
        client = server.client()
        client.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        vanish(client)
        held.release()
        wait_until(lambda: server.stats.open == 0, "it is forgotten")
        assert is_served(server)
    assert errors(caplog) == []


# --- Resets ---------------------------------------------------------------------------


def descriptors(process: Process) -> int:
    parent = psutil.Process(process.popen.pid)
    return sum(each.num_fds() for each in (parent, *parent.children()))


@pytest.mark.parametrize("workers", ["4", "0"])
@pytest.mark.parametrize("step", ["step12", "step13", "step14", "step15"])
def test_reset_at_every_point(step: str, workers: str) -> None:
    """As users run it: nothing is kept open, and not a word is said."""
    with Process(step, "--workers", workers) as process:
        port = process.listening_port()
        with Client(port) as client:
            assert client.ask().body == DOCUMENT
        wait_until(lambda: process.stats()["open"] == 0, "the first one is closed")
        before = descriptors(process)
        for end in range(len(REQUEST) + 1):
            with Client(port) as client:
                client.send(REQUEST[:end])
                client.reset()
        for size in (0, 1, 100, 200, 100_000, 3_000_000):
            with Client(port) as client:
                client.send(BIG)
                while size > 0:
                    size -= len(client.sock.recv(min(size, 100_000)))
                client.reset()
        with Client(port) as client:
            assert client.ask().body == DOCUMENT
        wait_until(lambda: descriptors(process) <= before, "all are closed")
        process.popen.send_signal(signal.SIGTERM)
        assert process.end() == (0, "")


# --- accept() fails -------------------------------------------------------------------


class Failing(Listener):
    """Its accept() fails a few times, and leaves the client in the queue."""

    def __init__(self, number: int, times: int) -> None:
        super().__init__()
        self.left = times
        self._number = number

    def accept(self) -> tuple[socket.socket, Any]:
        if self.left > 0:
            self.left -= 1
            raise OSError(self._number, os.strerror(self._number))
        return super().accept()


# EBADF is nothing that the steps know of.
OVERLOAD = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EBADF)
CLIENT_HAS_GONE = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM)


@pytest.mark.parametrize("step", REACTORS)
@pytest.mark.parametrize("number", [*OVERLOAD, *CLIENT_HAS_GONE])
def test_accept_fails_and_works_again(
    step: str,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(acceptor, "OVERLOAD_PAUSE_S", 0.001)
    listener = Failing(number, times=5)
    with serving(step, listener=listener) as server:
        assert server.client().ask().body == DOCUMENT
    assert listener.left == 0
    said = [record.getMessage() for record in caplog.records]
    is_overload = step[:6] in ("step12", "step13") and number in OVERLOAD
    assert len(said) == is_overload  # once, and not each time


@pytest.mark.parametrize("step", ["step12", "step12-0", "step13", "step13-0"])
def test_it_ends_while_it_cannot_accept(step: str) -> None:
    listener = Failing(errno.EMFILE, times=sys.maxsize)
    with serving(step, listener=listener) as server:
        server.client().send(request_bytes())
        wait_until(lambda: listener.left < sys.maxsize, "it has tried")


@pytest.mark.parametrize("step", ["step12", "step12-0", "step13", "step13-0"])
def test_the_selector_can_watch_no_more(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Linux limits how many descriptors a user may have in all selectors together."""
    monkeypatch.setattr(acceptor, "OVERLOAD_PAUSE_S", 600)
    with serving(step) as server:
        early = server.client()
        early.ask()
        selector = server._server._selector
        register = selector.register

        def full(sock: Any, events: int, data: Any = None) -> Any:
            if data is not None and is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return register(sock, events, data)

        is_full = True
        monkeypatch.setattr(selector, "register", full)
        server.client().expect_end()  # for it there was no room
        late = server.client()
        late.send(request_bytes())
        assert early.ask().body == DOCUMENT  # others are served
        assert server.stats.accepted == 2
        assert late.has_nothing()
        is_full = False
        early.close()  # and so there is room
        assert late.receive().body == DOCUMENT
    said = [record.getMessage() for record in caplog.records]
    assert said == ["no room for another connection: No space left on device"]


# --- A full disk ----------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize("workers", ["4", "0"])
def test_a_full_disk_for_what_is_logged(workers: str) -> None:
    """An application that fails, and whose failures cannot be told to anybody."""
    command = [
        *(sys.executable, "-m", "steps.step13", "--port", "0", "--workers", workers),
        *("--wsgi", "tests.steps.flask_app:app", "--grace", "1"),
    ]
    with (
        open("/dev/full", "wb") as full,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, bufsize=0
        ) as popen,
    ):
        try:
            assert popen.stdout
            with Client(int(popen.stdout.readline().split(b":")[-1])) as client:
                for _ in range(50):
                    assert client.ask("/fails").status == 500
                    assert client.ask("/").body == b"page "
            popen.send_signal(signal.SIGTERM)
            assert popen.wait(20) == 0
        finally:
            popen.kill()


@on_linux
@pytest.mark.parametrize("step", ["step13", "step13-0"])
def test_a_full_disk_for_a_body(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """507, and the connection is closed; others, whose bodies are short, notice
    nothing."""

    class Full:
        @staticmethod
        def TemporaryFile() -> Any:  # noqa: N802 - in place of the module's
            return open("/dev/full", "r+b", buffering=0)

    wsgi = Wsgi(wsgi="tests.steps.flask_app:app", grace=0.05)
    with serving(step, settings=wsgi) as server:
        short = server.client()
        monkeypatch.setattr("steps.step13.body.tempfile", Full)
        long = server.client()
        long.send(request_bytes("/body", method="POST", body=b"x" * 300_000))
        answer = long.receive()
        assert (answer.status, answer.headers["connection"]) == (507, "close")
        long.send_end()
        long.expect_end()
        body = b"x" * 1000
        assert short.ask("/body", method="POST", body=body).body == body
        monkeypatch.undo()
        body *= 300
        assert short.ask("/body", method="POST", body=body).body == body


# --- And meanwhile the loop sleeps ----------------------------------------------------

WATCH_S = 0.3
MOST_CPU = 0.1


@on_linux
@pytest.mark.parametrize("step", ON_THE_WIRE)
def test_clients_in_odd_states_make_no_work(step: str) -> None:
    """A loop that is told of what it does not act upon would be told in each round."""

    def half_close(client: Client) -> None:
        client.send(BIG)
        client.send_end()

    def be_refused(client: Client) -> None:
        client.send(b"\0")
        assert client.receive().status == 400

    def do_nothing(client: Client) -> None:
        pass

    acts: list[Callable[[Client], None]] = [
        do_nothing,
        lambda client: client.send(REQUEST[:-2]),
        lambda client: client.send(BIG),  # and does not read
        lambda client: client.send(BIG * 99),
        half_close,
        be_refused,  # and stays
    ]
    while_its_handler_runs: list[Callable[[Client], None]] = [
        do_nothing,
        lambda client: client.send_end(),
        lambda client: client.send(request_bytes() * 99),
        lambda client: client.reset(),
    ]
    pooled = not step.endswith("-0") and step != "step09"
    with Held() as held, serving(step, held, workers=4) as server:
        for act in acts:
            act(server.client())
        if pooled:
            for count, act in enumerate(while_its_handler_runs, 1):
                client = server.client()
                client.send(request_bytes("/held"))
                wait_until(lambda: held.entered == count, "it is in its handler")  # noqa: B023
                act(client)
        clients = len(acts) + pooled * len(while_its_handler_runs)
        wait_until(lambda: server.stats.accepted == clients, "all are accepted")
        last = server.client()
        if not pooled:  # the loop has been through, and has noticed all of them
            assert last.ask().body == DOCUMENT
        clock = time.pthread_getcpuclockid(server.thread.ident)  # type: ignore[arg-type]
        before = time.clock_gettime(clock)
        time.sleep(WATCH_S)  # what turns needs time for it: this is the subject
        worked_s = time.clock_gettime(clock) - before
        held.release()
    assert worked_s < MOST_CPU * WATCH_S
