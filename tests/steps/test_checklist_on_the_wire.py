"""What the parser accepts and refuses, as clients of the reactors see it."""

import ast
import logging
from collections.abc import Callable
from typing import Any

import pytest

from lab.measure import strictness
from steps.app import DOCUMENT, app
from steps.http11 import CONTINUE, Request, Response
from tests.http11.lines import LINES, Outcome
from tests.http11.reading import GET, get
from tests.steps.harness import (
    ON_THE_WIRE,
    Client,
    Running,
    request_bytes,
    serving,
    wait_until,
)

every_reactor = pytest.mark.parametrize("step", ON_THE_WIRE)

BEFORE = request_bytes("/before")
AFTER = request_bytes("/after")


class Seen:
    """An application that answers with what it was asked, and remembers the targets."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    def __call__(self, request: Request) -> Response:
        self.targets.append(request.target)
        names = ("method", "target", "version", "headers", "body")
        told = {name: getattr(request, name) for name in names}
        return Response(200, repr(told).encode())


def told(client: Client) -> dict[str, Any]:
    answer = client.receive()
    assert answer.status == 200, answer
    seen = ast.literal_eval(answer.body.decode())
    assert isinstance(seen, dict)
    return seen


def check(server: Running, seen: Seen, data: bytes, outcome: Outcome) -> None:
    """One connection, with a request before it and another behind it."""
    seen.targets.clear()
    client = server.client()
    client.send(BEFORE + data + AFTER)
    assert told(client)["target"] == "/before"
    if isinstance(outcome, int):
        answer = client.receive()
        assert (answer.status, answer.headers["connection"]) == (outcome, "close")
        client.expect_end()
        assert seen.targets == ["/before"]
    else:
        request = told(client)
        for name, value in outcome.items():
            got = request[name]
            if name == "headers":
                got = {key: got[key] for key in value if key in got}
            assert got == value
        assert told(client)["target"] == "/after"
    client.close()


@every_reactor
@pytest.mark.parametrize("name", LINES)
def test_each_line(step: str, name: str) -> None:
    seen = Seen()
    with serving(step, seen) as server:
        for data, outcome in LINES[name]:
            check(server, seen, data, outcome)


@every_reactor
def test_in_single_bytes(step: str) -> None:
    """The same, cut everywhere. tests/http11 does it with all lines."""
    with serving(step) as server:
        for data in (GET[:-4] + b"\nX", b"\x16\x03", get(b"X : a")):
            client = server.client()
            try:
                for at in range(len(data)):
                    client.send(data[at : at + 1])
            except OSError:
                pass  # it has been refused, and the rest is not awaited
            assert client.receive().status == 400
            client.close()
        assert server.client().ask().body == DOCUMENT


# --- Expect --------------------------------------------------------------------------

EXPECTING = ("Expect: 100-continue", "Content-Length: 3")


@every_reactor
def test_100_continue_is_sent_when_it_is_due(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        for _ in range(2):
            client.send(request_bytes("/echo", *EXPECTING, method="PUT"))
            assert client.receive_some() == CONTINUE
            client.send(b"ab")
            client.send(b"c")
            assert client.receive().body == b"abc"
        # Behind another request: its answer comes first.
        client.send(request_bytes() + request_bytes("/echo", *EXPECTING, method="PUT"))
        data = b""
        while not data.endswith(CONTINUE):
            data += client.receive_some()
        assert data.endswith(DOCUMENT + CONTINUE)
        client.send(b"abc")
        assert client.receive().body == b"abc"


@every_reactor
@pytest.mark.parametrize(
    "data",
    [
        request_bytes("/echo", *EXPECTING, method="PUT") + b"abc",
        request_bytes("/echo", *EXPECTING, method="PUT", version="1.0") + b"abc",
        request_bytes("/echo", "Expect: 100-continue", "Content-Length: 0"),
    ],
    ids=["the body has come", "HTTP/1.0", "no body"],
)
def test_no_100_continue_where_none_is_due(step: str, data: bytes) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(data)
        assert client.receive().body in (b"abc", b"")


@every_reactor
def test_no_100_continue_for_a_body_that_is_refused(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        fields = ("Expect: 100-continue", "Content-Length: 99999999")
        client.send(request_bytes("/echo", *fields, method="PUT"))
        assert client.receive().status == 413
        client.expect_end()


# --- Answers without a body -----------------------------------------------------------


@every_reactor
def test_no_body_where_there_is_none(step: str) -> None:
    def wordy(request: Request) -> Response:
        status = int(request.target[1:])
        return Response(status, b"a body, if it may have one")

    with serving(step, wordy) as server:
        client = server.client()
        client.send(
            request_bytes("/200", method="HEAD")
            + request_bytes("/204")
            + request_bytes("/304")
            + request_bytes("/404", method="HEAD")
            + request_bytes("/200")
        )
        head = client.receive("HEAD")
        assert head.headers["content-length"] == "26"
        assert "content-length" not in client.receive().headers
        assert client.receive().status == 304
        assert client.receive("HEAD").headers["content-length"] == "26"
        assert client.receive().body == b"a body, if it may have one"


@every_reactor
def test_a_header_that_must_not_be_sent(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    def splitting(request: Request) -> Response:
        return Response(200, b"", [("X", request.headers["x"] + "\r\nSet-Cookie: a")])

    with serving(step, splitting) as server:
        client = server.client()
        answer = client.ask("/", "X: y")
        assert answer.status == 500
        assert "set-cookie" not in answer.headers
        assert any(record.levelno == logging.ERROR for record in caplog.records)
        assert client.ask("/", "X: y").status == 500  # and in step


# --- Which connections are kept ------------------------------------------------------


@every_reactor
@pytest.mark.parametrize(
    ("version", "option", "is_kept"),
    [
        ("1.1", "foo", True),
        ("1.1", "foo, Close", False),
        ("1.1", "keep-alive, close", False),
        ("1.0", "foo", False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, CLOSE", False),
    ],
)
def test_which_are_kept(step: str, version: str, option: str, is_kept: bool) -> None:
    seen = Seen()
    with serving(step, seen) as server:
        client = server.client()
        field = f"Connection: {option}"
        client.send(request_bytes("/1", field, version=version) + request_bytes("/2"))
        answer = client.receive()
        if is_kept:
            expected = "keep-alive" if version == "1.0" else None
            assert answer.headers.get("connection") == expected
            assert told(client)["target"] == "/2"
        else:
            assert answer.headers["connection"] == "close"
            client.expect_end()
            assert seen.targets == ["/1"]  # the second is never processed


# --- The checklist that servers are compared by --------------------------------------


@every_reactor
def test_all_is_refused_that_must_be(step: str) -> None:
    with serving(step, Seen()) as server:
        seen = strictness.check(server.port)
    assert (seen.let_through, seen.waited) == ([], [])
    assert seen.refused == seen.must_refuse == len(strictness.REFUSED)
    # On purpose: see steps/http11.
    assert seen.not_accepted == ["a space before a chunk extension"]


# --- How connections end -------------------------------------------------------------


@every_reactor
def test_half_closed_after_a_whole_request(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes("/bytes/3000000") + request_bytes() * 3)
        client.send_end()
        assert len(client.receive().body) == 3_000_000
        for _ in range(3):
            assert client.receive().body == DOCUMENT
        client.expect_end()


@every_reactor
def test_half_closed_inside_a_request(step: str) -> None:
    seen = Seen()
    data = request_bytes("/echo", method="POST", body=b"hello")
    with serving(step, seen) as server:
        for end in (1, 9, len(data) - 6, len(data) - 1):
            client = server.client()
            client.send(BEFORE + data[:end])
            client.send_end()
            assert told(client)["target"] == "/before"
            client.expect_end()
        assert set(seen.targets) == {"/before"}


def send_in_pieces(client: Client, size: int) -> int:
    """Send until so many bytes have gone, or until the server does not want more."""
    sent = 0
    try:
        while sent < size:
            sent += client.sock.send(b"x" * 65_536)
    except OSError:
        pass
    return sent


@every_reactor
def test_a_client_that_goes_on_sending_can_read_why_it_was_refused(step: str) -> None:
    """Had the server closed with input unread, a reset could overtake its answer."""
    with serving(step) as server:
        for length in "Content-Length: 99999999", "X : y":
            client = server.client()
            client.send(BEFORE + request_bytes("/echo", length, method="POST"))
            assert send_in_pieces(client, 3_000_000) >= 3_000_000
            assert client.receive().status == 404
            assert client.receive().status in (400, 413)
            client.send_end()
            client.expect_end()
        assert server.client().ask().body == DOCUMENT


@every_reactor
def test_but_it_is_not_read_for_ever(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(b"\0")
        assert send_in_pieces(client, 500_000_000) < 50_000_000
        assert server.client().ask().body == DOCUMENT


@every_reactor
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_what_comes_after_the_last_request_does_not_cost_its_answer(
    step: str, version: str, is_open: Callable[[Running], int]
) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(
            request_bytes("/bytes/20000000", "Connection: close", version=version)
        )
        wait_until(lambda: not client.has_nothing(), "the answer begins")
        client.send(request_bytes("/after"))
        assert len(client.receive().body) == 20_000_000
        client.expect_end()
        client.close()
        wait_until(lambda: is_open(server) == 0, "it is closed here, too")


@pytest.fixture
def is_open() -> Callable[[Running], int]:
    def count(server: Running) -> int:
        stats = server.stats
        if hasattr(stats, "open"):
            return int(stats.open)
        return int(stats.accepted - stats.closed)

    return count


def test_the_application_is_the_steps_own() -> None:
    """The tests above replace it; here it is."""
    with serving(ON_THE_WIRE[0], app) as server:
        assert server.client().ask("/bytes/2").body == b"xx"
