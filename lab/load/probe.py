"""One connection under a magnifying glass: when did each answer's head and body come?

    $ python -m lab probe http://127.0.0.1:8000 --requests 3
    request 1: head after 0.2 ms, body after 0.2 ms
    request 2: head after 0.2 ms, body after 43.9 ms
    request 3: head after 0.2 ms, body after 44.0 ms

Times count from the moment the request was sent. "Head after" is when its last byte
arrived, "body after" likewise: the same figure twice means that they came together.
`--pause-ms` waits before each further request, `--close` opens a connection for each,
`--pipeline` sends all of them at once, and `--half` sends half a request and shows what
the server makes of it.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.load.answer import Answer, MalformedError
from lab.load.target import LoadError, nothing_listens, parse_url

CONNECT_LIMIT_S = 5.0
READ_BYTES = 65536


@dataclass(frozen=True)
class Timing:
    """What came back for one request, and when, in milliseconds after it was sent."""

    #: Of the answer: 200, for example.
    status: int
    head_ms: float
    body_ms: float
    #: When the server closed the connection; None: it did not say that it would.
    closed_ms: float | None = None


class Probe:
    """One connection to a server, and another when the server has closed it."""

    def __init__(self, host: str, port: int, path: str, timeout_s: float) -> None:
        self._host, self._port, self._path = host, port, path
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._ahead = b""  # has come with an answer, and belongs to the next one

    def connect(self) -> socket.socket:
        """The connection, which is opened if there is none; LoadError if that fails."""
        if not self._socket:
            try:
                self._socket = socket.create_connection(
                    (self._host, self._port), timeout=CONNECT_LIMIT_S
                )
            except ConnectionRefusedError:
                raise nothing_listens(self._host, self._port) from None
            except OSError as error:
                raise LoadError(f"cannot connect: {error}") from None
            self._socket.settimeout(self._timeout_s)
        return self._socket

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket:
            self._socket.close()
            self._socket = None
            self._ahead = b""

    def request(self, close: bool = False) -> Timing:
        """Send one request and time its answer; LoadError with what went wrong.

        `close`: ask the server to close the connection afterwards.
        """
        self.connect()
        return self._answer(self._message(close), time.perf_counter(), close)

    def pipeline(self, number: int) -> Iterator[Timing]:
        """Send so many requests at once and time their answers, each from that moment;
        LoadError with what went wrong."""
        self.connect()
        began = time.perf_counter()
        message = self._message() * number
        for left in reversed(range(number)):
            if not self._socket:
                raise LoadError("the server closed the connection without an answer")
            yield self._answer(message, began, more=left > 0)
            message = b""

    def _message(self, close: bool = False) -> bytes:
        fields = f"Host: {self._host}:{self._port}\r\n"
        if close:
            fields += "Connection: close\r\n"
        return f"GET {self._path} HTTP/1.1\r\n{fields}\r\n".encode()

    def _answer(
        self, message: bytes, began: float, close: bool = False, more: bool = False
    ) -> Timing:
        """Send the message and time what comes first. more: other answers follow it."""
        connection = self.connect()
        answer = Answer()
        head_ms = closed_ms = None
        try:
            connection.sendall(message)
            while not answer.whole:
                data = self._ahead or connection.recv(READ_BYTES)
                now_ms = (time.perf_counter() - began) * 1e3
                if not data and answer.end():
                    break
                if not data:
                    what = (
                        "inside its answer" if answer.received else "without an answer"
                    )
                    raise LoadError(f"the server closed the connection {what}")
                self._ahead = answer.take(data)
                if self._ahead and not more:
                    raise MalformedError
                if answer.head_is_whole and head_ms is None:
                    head_ms = now_ms
            if close or answer.closes:
                while connection.recv(READ_BYTES):
                    pass
                closed_ms = (time.perf_counter() - began) * 1e3
                self.close()
        except TimeoutError:
            what = f"head after {head_ms:.1f} ms, but " if head_ms is not None else ""
            missing = "no body" if what else "no answer"
            if answer.whole:
                missing = "the connection is still open"
            raise LoadError(f"{what}{missing} after {self._timeout_s:g} s") from None
        except (ConnectionResetError, BrokenPipeError):
            raise LoadError("the server reset the connection") from None
        except MalformedError:
            raise LoadError("the answer is not HTTP") from None
        assert head_ms is not None
        return Timing(int(answer.status), head_ms, now_ms, closed_ms)

    def half_a_request(self) -> str:
        """Send half a request, wait, and say what the server did about it."""
        connection = self.connect()
        message = (
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n"
        )
        began = time.perf_counter()
        said = b""
        try:
            connection.sendall(message[: len(message) // 2].encode())
            said = connection.recv(READ_BYTES)
        except TimeoutError:
            return f"nothing happened in {self._timeout_s:g} s"
        except ConnectionResetError:
            pass
        took = (time.perf_counter() - began) * 1e3
        if said:
            line = said.partition(b"\r\n")[0].decode("latin-1")
            return f"{line!r} after {took:.1f} ms"
        return f"closed by the server after {took:.1f} ms"


def describe(timing: Timing) -> str:
    """A timing in one line."""
    line = f"head after {timing.head_ms:.1f} ms, body after {timing.body_ms:.1f} ms"
    if timing.status != 200:
        line = f"status {timing.status}, {line}"
    if timing.closed_ms is not None:
        line += f", closed after {timing.closed_ms:.1f} ms"
    return line


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m lab probe URL …`: exit code 0, or 1 after the first failure."""
    parser = argparse.ArgumentParser(
        prog="python -m lab probe",
        description="Send requests on one connection and time each answer's parts.",
    )
    parser.add_argument("url", help="for example http://127.0.0.1:8000/")
    parser.add_argument("--requests", type=int, default=1, metavar="N")
    parser.add_argument(
        "--pause-ms", type=float, default=0.0, metavar="MS", help="between requests"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="default: 30"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--close", action="store_true", help="a new connection for each request"
    )
    what.add_argument(
        "--pipeline", action="store_true", help="send all requests at once"
    )
    what.add_argument(
        "--half", action="store_true", help="send half a request, and no more"
    )
    options = parser.parse_args(argv)
    label = ""
    with contextlib.ExitStack() as stack:
        try:
            host, port, path = parse_url(options.url)
            probe = Probe(host, port, path, options.timeout)
            stack.callback(probe.close)
            probe.connect()
            if options.half:
                label = "half a request: "
                print(f"{label}{probe.half_a_request()}")
                return 0
            together = probe.pipeline(options.requests) if options.pipeline else None
            for number in range(1, options.requests + 1):
                if number > 1 and not together:
                    time.sleep(options.pause_ms / 1e3)
                label = f"request {number}: "
                timing = next(together) if together else probe.request(options.close)
                print(f"{label}{describe(timing)}", flush=True)
        except LoadError as error:
            print(f"{label}{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
