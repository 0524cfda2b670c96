"""The question's server in C: it speaks HTTP, and it has the question's fault."""

import http.client
import re
import signal
import socket
import statistics
import struct
import sys
from contextlib import closing

import pytest

from lab.load.probe import Probe
from tests.lab.doctor.conftest import LIMIT_S, Question, Start

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="it counts a connection's segments, as Linux does"
)

DESIGNS: tuple[list[str], ...] = (
    [],
    ["--timeout-ms", "1"],
    ["--one-write"],
    ["--close"],
)


def connect(server: Question) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)


def all_of(client: socket.socket) -> bytes:
    """What the server sends until it closes."""
    with closing(client):
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("options", DESIGNS, ids=" ".join)
def test_it_speaks_http(question: Start, options: list[str]) -> None:
    keeps = "--close" not in options
    with question(*options) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, LIMIT_S)
        with closing(client):
            for method in ("GET", "HEAD", "GET"):
                client.request(method, "/")
                response = client.getresponse()
                assert response.status == 200
                assert response.getheader("Content-Length") == "70"
                assert response.will_close != keeps
                assert len(response.read()) == (70 if method == "GET" else 0)
        # The pool has served each as one job; lock_uses says that it kept count.
        counted = server.end()
        assert counted["dispatched"] >= 3
        assert counted["lock_uses"] > 3


def test_pipelined_requests_one_in_pieces_and_one_that_ends_it(question: Start) -> None:
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    last = get.replace(b"Host: a", b"connection: Close")
    with question("--one-write") as server:
        client = connect(server)
        client.sendall(get + get + get[:9])
        client.sendall(get[9:] + last + get)
        assert all_of(client).count(b"The document that we serve.") == 4


@pytest.mark.parametrize("line", [b"GET / HTTP/1.0", b"BREW / HTTP/1.1"])
def test_whom_it_does_not_keep(question: Start, line: bytes) -> None:
    with question() as server:
        client = connect(server)
        client.sendall(line + b"\r\n\r\n")
        head, _, body = all_of(client).partition(b"\r\n\r\n")
        assert head.endswith(b"\r\nConnection: close")
        assert len(body) == (70 if line.startswith(b"GET") else 0)


def test_it_ends_with_its_standard_input(question: Start) -> None:
    with question() as server:
        assert "lock_waits" in server.last_words()  # communicate() closes the pipe


def select_calls(server: Question) -> int:
    server.process.send_signal(signal.SIGUSR1)
    assert server.process.stdout
    match = re.search(r" select_calls=(\d+) ", server.process.stdout.readline())
    assert match
    return int(match[1])


def test_select_ends_by_itself_if_it_has_a_timeout(question: Start) -> None:
    with question("--timeout-ms", "1") as server:
        while select_calls(server) < 5:
            pass


def test_select_does_not_end_by_itself_if_it_has_none(question: Start) -> None:
    with question() as server, closing(connect(server)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1)
        # Four calls at most: the client, its request, the pipe's byte, and the next.
        assert max(select_calls(server) for _ in range(100)) <= 4


def milliseconds(server: Question) -> list[float]:
    """How long some answers take on a connection that is kept."""
    with closing(Probe("127.0.0.1", server.port, "/", LIMIT_S)) as probe:
        probe.request()
        return [probe.request().body_ms for _ in range(7)]


@on_linux
def test_two_writes_wait_and_one_does_not(question: Start) -> None:
    with question() as two, question("--one-write") as one:
        # On a busy machine any of them may take longer.
        assert statistics.median(milliseconds(two)) > 10 * min(milliseconds(one))


@on_linux
@pytest.mark.parametrize(("options", "segments"), [([], 2), (["--one-write"], 1)])
def test_in_how_many_segments_an_answer_comes(
    question: Start, options: list[str], segments: int
) -> None:
    def received_with_data() -> int:
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        # struct tcp_info in linux/tcp.h: tcpi_data_segs_in
        return int(struct.unpack_from("I", info, 152)[0])

    with question(*options) as server, connect(server) as client:
        before, received = received_with_data(), b""
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while not received.endswith(b"we serve.\n\n"):
            received += client.recv(65536)
        assert received_with_data() - before == segments
