"""What every step owes its clients, whatever it does with their connections."""

import errno
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
import requests

from steps.app import DOCUMENT, app
from steps.http11 import Limits, Request, Response
from tests.steps.harness import (
    CLOSING,
    DESIGNS,
    KEEPING,
    QUICK_ACK,
    Client,
    Held,
    Listener,
    Running,
    fail,
    request_bytes,
    serving,
    threads_in,
    wait_until,
)

every_step = pytest.mark.parametrize("step", DESIGNS)
keeping_steps = pytest.mark.parametrize("step", KEEPING)


@pytest.fixture(params=DESIGNS)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with serving(request.param) as running:
        yield running


def keeps(server: Running) -> bool:
    return server.step in KEEPING


def answers(server: Running) -> bool:
    """A new client is answered, so no client before it has done lasting harm."""
    return server.client().ask("/bytes/3").body == b"xxx"


# --- Answers ---


def test_pages_with_requests(server: Running) -> None:
    url = f"http://127.0.0.1:{server.port}"
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(f"{url}/?a=query", timeout=20)
        assert (page.status_code, page.content) == (200, DOCUMENT)
        assert len(DOCUMENT) == 70
        assert page.headers["Content-Type"] == "text/html"
        assert (page.headers.get("Connection") == "close") == (not keeps(server))
        assert session.get(f"{url}/sleep/1", timeout=20).content == DOCUMENT
        assert session.get(f"{url}/spin/1", timeout=20).content == DOCUMENT
        assert session.get(f"{url}/bytes/0", timeout=20).content == b""
        large = session.get(f"{url}/bytes/300000", timeout=20)
        assert large.content == b"x" * 300_000

        body = os.urandom(100_000)
        assert session.post(f"{url}/echo", data=body, timeout=20).content == body
        pieces = (body[at : at + 999] for at in range(0, len(body), 999))  # chunked
        assert session.put(f"{url}/echo", data=pieces, timeout=20).content == body
        assert session.get(f"{url}/echo", timeout=20).content == b""

        assert session.get(f"{url}/nothing/here", timeout=20).status_code == 404
        wrong = session.post(url, data=b"a body that nobody wants", timeout=20)
        assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD")
        assert session.request("BREW", url, timeout=20).status_code == 501
        options = session.options(f"{url}/echo", timeout=20)
        assert (options.status_code, options.content) == (204, b"")
        assert "Content-Length" not in options.headers
        assert session.get(url, timeout=20).content == DOCUMENT


@pytest.mark.parametrize(
    "target",
    [
        "/bytes/1000000001",
        "/bytes/-1",
        "/bytes/",
        "/bytes/3/4",
        "/sleep/600001",
        "/sleep/%31",
        "/spin/1e3",
        "/echo/1",
        "//",
    ],
)
def test_what_is_no_page(target: str) -> None:
    with serving("step01") as server:
        assert server.client().ask(target).status == 404


@pytest.mark.parametrize("target", ["/", "/bytes/5000", "/echo", "/sleep/0", "/no"])
def test_head_is_get_without_the_body(server: Running, target: str) -> None:
    of_get = server.client().ask(target)
    client = server.client()
    of_head = client.ask(target, method="HEAD")
    assert of_head.status == of_get.status
    assert of_head.body == b""
    for answer in of_get, of_head:
        del answer.headers["date"]  # the second may have changed
    assert of_head.headers == of_get.headers
    if keeps(server):
        assert client.ask().body == DOCUMENT  # and nothing between the two
    else:
        client.expect_end()


def test_a_client_that_speaks_http_10(server: Running) -> None:
    client = server.client()
    answer = client.ask(version="1.0")
    assert (answer.body, answer.headers["connection"]) == (DOCUMENT, "close")
    client.expect_end()

    client = server.client()
    answer = client.ask("/", "Connection: Keep-Alive", version="1.0")  # as ab -k
    assert answer.body == DOCUMENT
    if keeps(server):
        assert answer.headers["connection"] == "keep-alive"
        answer = client.ask("/", "Connection: Keep-Alive", version="1.0")
        assert answer.body == DOCUMENT
    else:
        assert answer.headers["connection"] == "close"
        client.expect_end()


def test_close_when_asked(server: Running) -> None:
    client = server.client()
    if keeps(server):
        assert "connection" not in client.ask().headers
    answer = client.ask("/", "Connection: foo, Close")
    assert (answer.body, answer.headers["connection"]) == (DOCUMENT, "close")
    client.expect_end()


# --- Bad requests ---


LIMITS = Limits()
ECHO = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
TOO_LONG = LIMITS.max_body_bytes + 1
BAD_REQUESTS = {
    "400 a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "400 no Host": b"GET / HTTP/1.1\r\n\r\n",
    "400 bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "400 two framings": ECHO + CHUNKED + b"Content-Length: 1\r\n\r\n",
    "413 a length over the limit": ECHO + b"Content-Length: %d\r\n\r\n" % TOO_LONG,
    "413 a chunk over the limit": ECHO + CHUNKED + b"\r\n%x\r\n" % TOO_LONG,
    "414 a long target": b"GET /" + b"a" * (LIMITS.max_target_bytes + 1),
    "431 many fields": ECHO + b"A: b\r\n" * (LIMITS.max_header_fields + 1),
    "501 an unknown coding": ECHO + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "505 HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


def test_bad_requests_are_refused_and_the_connection_closed(server: Running) -> None:
    for name, data in BAD_REQUESTS.items():
        client = server.client()
        client.send(data)
        answer = client.receive()
        assert str(answer.status) == name[:3], name
        assert answer.headers["connection"] == "close", name
        client.expect_end()
        client.close()
    assert answers(server)


@keeping_steps
def test_requests_before_a_bad_one_are_answered(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes("/bytes/1") + request_bytes("/bytes/2") + b"\0")
        assert client.receive().body == b"x"
        assert client.receive().body == b"xx"
        assert client.receive().status == 400
        client.expect_end()


# --- Handlers that fail ---


@every_step
def test_a_handler_that_raises(step: str, caplog: pytest.LogCaptureFixture) -> None:
    def failing(request: Request) -> Response:
        if request.target == "/fail":
            raise RuntimeError("the handler's own bug")
        if request.target == "/bad-header":
            return Response(200, b"", [("X", "a\r\nSet-Cookie: b")])
        return app(request)

    with serving(step, failing, workers=1) as server:
        for target in "/fail", "/bad-header":
            client = server.client()
            assert client.ask(target).status == 500
            errors = [r for r in caplog.records if r.levelno == logging.ERROR]
            assert target in errors[-1].getMessage()
            assert errors[-1].exc_info is not None
            if step in KEEPING:
                assert client.ask().body == DOCUMENT
            else:
                client.expect_end()
        assert answers(server)


# --- Bytes as they come ---


def test_a_request_cut_into_single_bytes(server: Running) -> None:
    client = server.client()
    body = b"cut to pieces"
    for data in (
        request_bytes("/echo", method="POST", body=body),
        request_bytes("/echo", "Transfer-Encoding: chunked", method="POST")
        + b"5\r\ncut t\r\n8;x=y\r\no pieces\r\n0\r\nT: t\r\n\r\n",
    ):
        for at in range(len(data)):
            client.send(data[at : at + 1])
        assert client.receive().body == body
        if not keeps(server):
            client.expect_end()
            client = server.client()


class MacListener(Listener):
    """Accepts as macOS does."""

    def accept(self) -> tuple[socket.socket, object]:
        descriptor, address = self._accept()  # type: ignore[attr-defined]
        # It inherits the listener's mode, of which Python's object knows nothing.
        os.set_blocking(descriptor, self.getblocking())
        return MacSocket(fileno=descriptor), address


class MacSocket(socket.socket):
    """Refuses options as macOS does when the client has gone."""

    def setsockopt(self, *option: Any) -> None:
        if option[1] == socket.TCP_NODELAY:
            raise OSError(errno.EINVAL, "Invalid argument")
        super().setsockopt(*option)


# asyncio sets the option itself, and gives up a connection that refuses it. That is
# right where the client has gone, and this one has not.
@pytest.mark.parametrize(
    "step", [step for step in DESIGNS if step not in ("step15", "step15-0")]
)
def test_a_client_that_pauses_where_accept_is_as_on_macos(step: str) -> None:
    with serving(step, listener=MacListener()) as server:
        client = server.client()
        data = request_bytes("/bytes/5000000")
        client.send(data[:9])
        wait_until(lambda: server.stats.accepted == 1, "accept() returns")
        client.send(data[9:])
        assert len(client.receive().body) == 5_000_000  # more than the buffers hold


def test_a_client_that_half_closes(server: Running) -> None:
    client = server.client()
    client.send(request_bytes())
    client.send_end()
    assert client.receive().body == DOCUMENT
    client.expect_end()

    client = server.client()
    client.send(request_bytes()[:-2])
    client.send_end()
    client.expect_end()  # without a word
    assert answers(server)


@keeping_steps
def test_200_requests_in_a_row(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        for number in range(200):
            # Two writes cost a delayed acknowledgement each, unless it is hurried.
            if QUICK_ACK is not None or number % 20 == 0:
                assert client.ask(f"/bytes/{number}").body == b"x" * number
            else:
                assert client.ask(method="HEAD").status == 200
        assert server.stats.accepted == 1


@keeping_steps
def test_pipelined_requests_are_answered_in_order(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(b"".join(request_bytes(f"/bytes/{n}") for n in range(100)))
        for number in range(100):
            assert len(client.receive().body) == number
        # The last piece of one request comes with the first of the next.
        data = request_bytes("/echo", method="POST", body=b"1") * 2
        client.send(data[:-7])
        assert client.receive().body == b"1"
        client.send(data[-7:] + request_bytes("/", "Connection: close") * 2)
        assert client.receive().body == b"1"
        assert client.receive().body == DOCUMENT
        client.expect_end()  # what follows "Connection: close" is not answered


@pytest.mark.parametrize("step", CLOSING)
def test_one_answer_a_connection(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes() * 2)
        assert client.receive().headers["connection"] == "close"
        client.expect_end()


# --- Many clients, and rude ones ---


def test_50_clients_at_once(server: Running) -> None:
    clients = [server.client() for _ in range(50)]
    for turn in range(3 if keeps(server) else 1):
        for number, client in enumerate(clients):
            client.send(request_bytes(f"/bytes/{number + turn}"))
        for number, client in reversed(list(enumerate(clients))):
            assert len(client.receive().body) == number + turn
    for client in clients:
        client.close()
    assert answers(server)
    assert server.stats.accepted == 51


@pytest.mark.parametrize("step", DESIGNS[1:])
def test_silent_clients_are_no_hindrance(step: str) -> None:
    with serving(step) as server:
        silent = [server.client() for _ in range(20)]
        assert answers(server)
        for client in silent:
            assert client.ask().body == DOCUMENT


@every_step
def test_clients_that_reset(step: str, caplog: pytest.LogCaptureFixture) -> None:
    def send_nothing(client: Client) -> None:
        pass

    def send_half(client: Client) -> None:
        client.send(request_bytes()[:-9])

    def send_all(client: Client) -> None:
        client.send(request_bytes())

    def send_many(client: Client) -> None:
        client.send(request_bytes("/bytes/5000000") * 3)

    def read_half(client: Client) -> None:
        client.send(request_bytes("/bytes/5000000"))
        client.receive_some()

    def read_all(client: Client) -> None:
        client.ask()

    held = Held()

    def be_served(client: Client) -> None:
        before = held.entered
        client.send(request_bytes("/held"))
        wait_until(lambda: held.entered > before, "the handler is called")

    with serving(step, held, workers=2) as server, held:
        for act in (send_nothing, send_half, send_all, send_many, read_half, read_all):
            for _ in range(4):
                client = server.client()
                act(client)
                client.reset()
            assert answers(server), act.__name__
        client = server.client()
        be_served(client)
        client.reset()
        held.release()
        assert answers(server)
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


@every_step
@pytest.mark.parametrize("keep", [False, True], ids=["close", "keep-alive"])
def test_ab(step: str, keep: bool, needs_tool: Callable[[str], str]) -> None:
    """ApacheBench speaks HTTP/1.0, and asks for keep-alive in its way."""
    command = [
        needs_tool("ab"),
        "-q",
        "-n",
        "40",
        "-c",
        "10",
        *(["-k"] if keep else []),
    ]
    with serving(step) as server:
        url = f"http://127.0.0.1:{server.port}/"
        run = subprocess.run(
            [*command, url], capture_output=True, text=True, timeout=40, check=True
        )

    def reported(what: str) -> int:
        match = re.search(rf"^{what}: +(\d+)$", run.stdout, re.MULTILINE)
        assert match, run.stdout + run.stderr
        return int(match[1])

    assert reported("Complete requests") == 40
    assert reported("Failed requests") == 0
    if keep:
        assert reported("Keep-Alive requests") == (40 if step in KEEPING else 0)


# --- Stopping ---


def test_stop_with_clients_in_every_state(server: Running) -> None:
    """The fixture stops the server; it must not wait for any of these."""
    if keeps(server):
        server.client().ask()  # kept, idle
    server.client()  # silent
    if server.step != "step01":  # which is with the silent one for ever
        half = server.client()
        half.send(request_bytes()[:-2])
        deaf = server.client()
        deaf.send(request_bytes("/bytes/50000000"))
        wait_until(lambda: not deaf.has_nothing(), "the answer begins")


@every_step
def test_stop_with_deaf_clients_waiting_their_turn(step: str) -> None:
    """Two do not read their answers. The first one's handler stops the running."""
    held = Held()
    stopped: list[bool] = []

    def stopping(request: Request) -> Response:
        if request.target == "/bytes/50000000" and not stopped:
            stopped.append(True)
            running.stop()
        return held(request)

    with serving(step, stopping, workers=1) as running, held:
        deaf = [running.client() for _ in range(2)] if step in KEEPING else []
        for client in deaf:
            client.ask()
        running.client().send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        for client in deaf or [running.client() for _ in range(2)]:
            client.send(request_bytes("/bytes/50000000"))
        held.release()
        running.thread.join(20)
        assert not running.thread.is_alive()


@every_step
def test_stop_from_a_handler_and_twice(step: str) -> None:
    def stopping(request: Request) -> Response:
        running.stop()
        running.stop()
        return app(request)

    with serving(step, stopping) as running:
        client = running.client()
        client.send(request_bytes())
        running.thread.join(20)
        assert not running.thread.is_alive()
        with pytest.raises(ConnectionRefusedError):
            running.client()
    running.stop()  # long after


@every_step
def test_stop_from_a_signal_handler_at_any_line(step: str) -> None:
    """A signal handler runs between two lines of the thread that it finds there, and a
    trace function likewise. So here it stops the server at each line of the loop, from
    the one on where a request has come."""
    begins = {"_serve", "submit", "_welcome", "_ready", "receive", "data_received"}
    lines: set[tuple[str, int]] = set()

    def handler(frame: FrameType, event: str, _: object) -> Any:
        where = frame.f_code.co_filename, frame.f_lineno
        begun = listener.accepted and frame.f_code.co_name in begins
        if event == "line" and (begun or lines) and where not in lines:
            lines.add(where)
            running.stop()
        return handler if "/steps/" in where[0] else None

    def run() -> None:
        sys.settrace(handler)
        try:
            original()
        finally:
            sys.settrace(None)

    listener = Listener()
    running = serving(step, listener=listener)
    original, running._server.run = running._server.run, run
    with running:
        running.client().send(request_bytes())
        running.thread.join(20)
        if running.thread.is_alive():
            fail("stop() has not returned")
    assert len(lines) > 3


@every_step
def test_stop_before_run(step: str) -> None:
    running = serving(step)
    running.stop()
    with running:
        running.thread.join(20)
        assert not running.thread.is_alive()


@every_step
def test_what_was_accepted_is_closed_by_stop(step: str) -> None:
    with serving(step) as server:
        clients = [server.client() for _ in range(3)]
        for client in clients if step in KEEPING else []:
            client.ask()
        wait_until(
            lambda: server.stats.accepted == (1 if step == "step01" else 3),
            "the clients are accepted",
        )
        server.stop()
        server.thread.join(20)
        for client in clients:
            try:
                client.expect_end()
            except ConnectionResetError:
                pass  # never accepted
    assert threads_in("_work", "step02/workers.py") == 0
