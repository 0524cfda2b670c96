"""Step 12's access log, in step 13: a line for every request and for every refusal."""

import io
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from steps.step12.access_log import AccessLog
from tests.steps.harness import Client, Process, request_bytes

LINE = re.compile(
    # Who has left before anybody asked for the address has none.
    r"(?:127\.0\.0\.1|-(?=.* 499 )) - - "
    r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
    r'"(.*)" '
    r"(\d{3}) (\d+)"
)
SLOW_S = 30


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """For the process below."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 10_000

    def breaking() -> Iterator[bytes]:
        yield b"x" * 7
        raise RuntimeError("half-way")

    def first() -> Iterator[bytes]:
        yield b"x" * 7
        time.sleep(SLOW_S)

    path = environ["PATH_INFO"]
    if path in ("/late", "/left"):
        time.sleep(SLOW_S)
    write = start_response("200 OK", [("X-Path", path)])
    if path == "/fails":
        raise RuntimeError("the application's own bug")
    if path == "/write":
        write(b"x" * 5)
        write(b"x" * 6)
    bodies: dict[str, Any] = {
        "/list": [b"x" * 11],
        "/long": [b"x" * 100_000],
        "/pieces": iter([b"x" * 20, b"", b"x" * 300, b"x" * 20_000]),
        "/endless": endless(),
        "/breaks": breaking(),
        "/first": first(),
    }
    return bodies.get(path, [])


WHOLE = {
    "/list": (200, 11),
    "/long": (200, 100_000),
    "/pieces": (200, 20_320),
    "/none": (200, 0),
    "/write": (200, 11),
    "/fails": (500, len(b"500 the application failed\n")),
    "/breaks": (200, 7),
}
REFUSED = {
    400: b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    408: b"GET / HTTP/1.1\r\nHost: a\r\n",
    413: b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
    414: b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    417: b"POST / HTTP/1.1\r\nHost: a\r\nExpect: much\r\n\r\n",
    431: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    501: b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    505: b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
}


def read_all(client: Client) -> bytes:
    """Until the server closes."""
    return b"".join(iter(client.receive_some, b""))


@pytest.mark.parametrize("workers", ["0", "8"])
def test_a_line_for_each_request_and_each_refusal(workers: str) -> None:
    flags = ["--access-log", "--workers", workers, "--header-timeout", "0.3"]
    flags += ["--wsgi", "tests.steps.test_access_log:application"]
    with (
        Process("step13", *flags, "--handler-timeout", "1") as process,
        ExitStack() as stack,
    ):
        port = process.listening_port()

        def client() -> Client:
            return stack.enter_context(Client(port))

        expected: list[tuple[str, int, int]] = []
        for version in "1.1", "1.0":
            for path, (status, size) in WHOLE.items():
                one = client()
                one.send(request_bytes(path, "Connection: close", version=version))
                assert read_all(one)
                expected.append((f"GET {path} HTTP/{version}", status, size))
        one = client()
        one.send(request_bytes("/long", "Connection: close", method="HEAD"))
        read_all(one)
        expected.append(("HEAD /long HTTP/1.1", 200, 0))
        for status, data in REFUSED.items():
            one = client()
            one.send(data)
            answer = read_all(one)
            one.close()
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            body = answer.partition(b"\r\n\r\n")[2]
            expected.append(("-", status, len(body)))
        client().close()  # it has asked for nothing: no line
        one = client()
        one.send(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n")
        one.send(b"Expect: 100-continue\r\n\r\n")
        one.receive_some()  # so the head has been read
        one.reset()
        expected.append(("POST /half HTTP/1.1", 499, 0))
        leaving = ["/endless"]
        if workers != "0":
            one = client()
            one.send(request_bytes("/late"))
            assert one.receive().status == 503
            one.send_end()
            one.expect_end()
            expected.append(("GET /late HTTP/1.1", 503, len(b"the handler is late")))
            leaving += ["/first", "/left"]
        for path in leaving:
            one = client()
            one.send(request_bytes(path))
            if path != "/left":
                one.receive_some()
            one.reset()
        if workers != "0":
            expected.append(("GET /left HTTP/1.1", 499, 0))
            expected.append(("GET /first HTTP/1.1", 200, 7))
        process.popen.send_signal(signal.SIGTERM)
        code, said = process.end()
    assert code == 0
    lines = [line for line in said.splitlines() if '] "' in line]
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), [line for line in lines if not LINE.fullmatch(line)]
    found = [(m[1], int(m[2]), int(m[3])) for m in matches if m]
    endless = [each for each in found if each[0] == "GET /endless HTTP/1.1"]
    assert len(endless) == 1
    assert endless[0][1] == 200
    assert 0 < endless[0][2] < 100_000_000
    assert sorted(set(found) - set(endless)) == sorted(set(expected))
    assert len(found) == len(expected) + 1


def test_the_log_leaves_the_text_stream_to_the_application(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`sys.stdout` is not made for several threads (io, "Multi-threading"), and an
    application may print at any time. The binary stream below it is made for them."""

    class Text(io.TextIOWrapper):
        def write(self, text: str) -> int:
            raise AssertionError("another thread may be in here")

    binary = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Text(binary))
    log = AccessLog()
    log.add("127.0.0.1", None, 400, 3)
    log.close()
    assert LINE.fullmatch(binary.getvalue().decode().rstrip())
