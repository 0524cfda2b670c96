"""What servers do beside being quick: judged by servers that are good and bad at it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab.measure import conduct, peers, strictness
from lab.measure.machine import Cores
from lab.measure.peer_reading import app
from lab.measure.servers import ServerError, running
from lab.measure.strictness import ACCEPTED, REFUSED, Seen
from lab.record.names import FOUR_WORKERS, IN_THE_LOOP
from steps.app import DOCUMENT

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does this with each connection, one after the other."""
    ended = threading.Event()

    def run() -> None:
        while True:
            sock, _ = listener.accept()
            with sock:
                if ended.is_set():
                    return
                serve(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield port
        finally:
            ended.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def answer_all(sock: socket.socket) -> None:
    """And wait until the client goes."""
    sock.recv(65_536)
    sock.sendall(OK)
    wait_for_the_end(sock)


def wait_for_the_end(sock: socket.socket) -> None:
    try:
        while sock.recv(65_536):
            pass
    except OSError:
        pass


def read_a_little(sock: socket.socket) -> None:
    """And close, without an answer."""
    sock.recv(65_536)


def refuse_all(sock: socket.socket) -> None:
    sock.recv(65_536)
    sock.sendall(BAD)


def test_who_answers_everything_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strictness, "WAIT_S", 0.2)
    with answering(answer_all) as port:
        seen = strictness.check(port)
    assert seen.refused == 0
    assert seen.let_through == [case.name for case in REFUSED]
    assert seen.accepted == seen.must_accept == len(ACCEPTED)


def test_who_refuses_everything_accepts_nothing() -> None:
    with answering(refuse_all) as port:
        seen = strictness.check(port)
    assert seen.refused == seen.must_refuse == len(REFUSED)
    assert seen.accepted == 0
    assert seen.not_accepted == [case.name for case in ACCEPTED]


def test_who_says_nothing_keeps_the_client_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strictness, "WAIT_S", 0.02)
    with answering(wait_for_the_end) as port:
        seen = strictness.check(port)
    assert not seen.let_through
    assert seen.waited == [c.name for c in REFUSED if c.must != "not answer"]


def test_each_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in (*REFUSED, *ACCEPTED)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("seen", "refuse", "close", "accept"),
    [
        (Seen([400], closed=True), True, True, False),
        (Seen([501], closed=False), True, False, False),
        (Seen([], closed=True), True, True, False),
        (Seen([], closed=False), False, False, False),
        (Seen([200], closed=True), False, True, True),
        (Seen([302], closed=False), False, False, True),
        (Seen([200, 200], closed=True), False, False, True),
        (Seen([200, 400], closed=True), False, True, False),
    ],
)
def test_what_counts(seen: Seen, refuse: bool, close: bool, accept: bool) -> None:
    assert seen.is_right("refuse") == refuse
    assert seen.is_right("close") == close
    assert seen.is_right("accept") == accept


def test_an_interim_answer_is_none() -> None:
    def serve(sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + BAD)

    with answering(serve) as port:
        assert list(strictness.send(port, REFUSED[0]).statuses) == [400]


def test_a_server_that_is_gone_is_said() -> None:
    with answering(refuse_all) as port:
        pass
    with pytest.raises(ServerError, match="takes no connection, before the case a spa"):
        strictness.check(port)


def test_slow_clients_are_watched_until_they_are_cut_off() -> None:
    closed = answering(read_a_little)
    kept = socket.create_server(("127.0.0.1", 0))
    with closed as port, kept:
        ports = {"quick": port, "never": kept.getsockname()[1]}
        seen = conduct.watch_slow(ports, 1.3)
    quick, never = seen["quick"], seen["never"]
    for end in (quick.half_head_s, quick.trickled_head_s, quick.half_body_s):
        assert end is not None
        assert end < 1.3
    ends = (never.half_head_s, never.trickled_head_s, never.half_body_s)
    assert ends == (None, None, None)
    assert never.watched_s == 1.3


@pytest.mark.parametrize("name", [IN_THE_LOOP, FOUR_WORKERS])
def test_ours_loses_nothing_and_a_server_that_is_killed_loses_all(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conduct, "CLIENTS", 4)
    with running(peers.conduct_command(name)) as server:
        done = conduct.drain_once(server.port, lambda: conduct._end(server.pid))
    assert done == (4, conduct.IDLE)
    with running(peers.conduct_command(name)) as server:
        answered, _ = conduct.drain_once(server.port, server.stop)
        assert answered == 4
    with running(peers.conduct_command(name)) as server:
        answered, _ = conduct.drain_once(server.port, server._process.kill)
    assert answered == 0


def test_all_facts_come_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conduct, "DRAINS", 1)
    monkeypatch.setattr(conduct, "CLIENTS", 2)
    monkeypatch.setattr(
        peers, "unavailable", lambda name: "no" if name == "bjoern" else None
    )
    ours, bjoern = conduct.measure_conduct([IN_THE_LOOP, "bjoern"], Cores(), 0.3)
    assert ours.strictness is not None
    assert ours.strictness.refused == len(REFUSED)
    assert ours.slow_clients is not None
    assert ours.slow_clients.half_head_s is None
    assert ours.drain is not None
    assert ours.drain.answered == ours.drain.sent == 2
    assert ours.skipped is None
    assert bjoern.skipped == "no"
    assert (bjoern.strictness, bjoern.slow_clients, bjoern.drain) == (None, None, None)


def test_every_contestant_comes_with_its_own_limits() -> None:
    for name in conduct.contestants():
        measured = peers.peer_command(name).argv
        watched = peers.conduct_command(name).argv
        assert not any("timeout" in each or "keep-alive" in each for each in watched)
        assert any("lab.measure.peer_reading:" in each for each in watched)
        assert not any("lab.measure.peer_reading:" in each for each in measured)


class Body:
    """What a gateway reads a body from; it ends before it should."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


@pytest.mark.parametrize(
    "fields",
    [{"CONTENT_LENGTH": "5"}, {"HTTP_TRANSFER_ENCODING": "chunked"}],
    ids=["length", "chunks"],
)
def test_the_application_reads_what_is_sent(fields: dict[str, str]) -> None:
    body = Body(b"abc", b"de")
    environ = {"wsgi.input": body, "PATH_INFO": "/", **fields}
    assert b"".join(app(environ, lambda *_: None)) == DOCUMENT
    assert not body.pieces
