"""How the tests read bytes with http11, and what a reading looks like."""

import itertools
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from steps.http11 import (
    END,
    NEED_CONTINUE,
    NEED_DATA,
    BadRequest,
    Limits,
    Parser,
    Reader,
    Request,
)
from steps.step09.connection import Connection

STANDARD = Limits()

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

BROWSER_GET = (
    b"GET /index.html?page=1 HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8000\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    b"(KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
    b"\r\n"
)


def get(*lines: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    """A request with a Host and these further field lines."""
    return b"\r\n".join((line, b"Host: a", *lines, b"", b""))


@dataclass
class Message:
    """One request as it was read, so far as it was read."""

    method: str
    target: str
    version: tuple[int, int]
    headers: dict[str, str]
    keep_alive: bool
    body: bytes = b""
    is_over: bool = False


@dataclass
class Reading:
    """All that a parser said about some bytes."""

    messages: list[Message] = field(default_factory=list)
    status: int | None = None  # of the BadRequest, if there was one
    reason: str = ""
    refused_at: int | None = None  # how many bytes had been fed by then
    continues: int = 0

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.messages if message.is_over]


def pieces(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """`data`, cut at these places."""
    places = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(places):
        yield data[begin:end]


def every_byte(data: bytes) -> range:
    return range(1, len(data))


def read(data: bytes, cuts: Sequence[int] = (), limits: Limits = STANDARD) -> Reading:
    """Feed the pieces, and take all events after each."""
    parser = Parser(limits)
    reading = Reading()
    fed = 0
    for piece in pieces(data, cuts):
        parser.feed(piece)
        fed += len(piece)
        try:
            _take_events(parser, reading)
        except BadRequest as refused:
            reading.status, reading.reason = refused.status, refused.reason
            reading.refused_at = fed
            break
    return reading


def _take_events(parser: Parser, reading: Reading) -> None:
    while (event := parser.next_event()) is not NEED_DATA:
        if isinstance(event, Request):
            reading.messages.append(
                Message(
                    event.method,
                    event.target,
                    event.version,
                    event.headers,
                    event.keep_alive,
                )
            )
        elif isinstance(event, bytes):
            assert event, "a piece of a body is never empty"
            reading.messages[-1].body += event
        elif event is NEED_CONTINUE:
            reading.continues += 1
        else:
            assert event is END
            assert not reading.messages[-1].is_over
            reading.messages[-1].is_over = True


class Pieces:
    """A socket from which these pieces come, and which takes all that is sent."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.has_ended = False
        self.sent = b""

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags == socket.MSG_PEEK:
            raise BlockingIOError
        piece = next(self._pieces, b"")
        self.has_ended = not piece
        return piece

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def shutdown(self, how: int) -> None:
        pass


def read_in_step09(
    data: bytes, cuts: Sequence[int] = (), limits: Limits = STANDARD
) -> Reading:
    """The same as its connection reads it: straight from the bytes, where it can be."""
    sock = Pieces(piece for piece in pieces(data, cuts) if piece)
    connection = Connection(cast("socket.socket", sock), Reader(limits))
    reading = Reading()
    while not sock.has_ended:
        connection.receive()
        while request := connection.next_request():
            what = (request.method, request.target, request.version, request.headers)
            message = Message(*what, request.keep_alive, request.body, is_over=True)
            reading.messages.append(message)
            if not request.keep_alive:
                return reading  # §9.6: the server takes no more
            assert connection.gatherer is None or connection.gatherer.buffer
        connection.flush()
        refused = re.search(rb"HTTP/1.1 ([4-9]..) .*\r\n\r\n(.*)", sock.sent, re.DOTALL)
        if refused:
            reading.status, reading.reason = int(refused[1]), refused[2].decode()
            break
    return reading


def read_both_ways(data: bytes, limits: Limits = STANDARD) -> Reading:
    """Read it in one piece, byte by byte, and as step 09 does: it must be the same."""
    whole = read(data, limits=limits)
    cut = read(data, every_byte(data), limits=limits)
    assert essence(whole) == essence(cut)
    for cuts in (), every_byte(data):
        assert requests_in(read_in_step09(data, cuts, limits)) == requests_in(whole)
    return cut


def requests_in(reading: Reading) -> tuple[object, ...]:
    """The same of whole requests alone."""
    whole = [message for message in reading.messages if message.is_over]
    return whole, reading.status, reading.reason


def essence(reading: Reading) -> tuple[object, ...]:
    """What may not depend on how the bytes were cut.

    Whether a client waits for `CONTINUE` does, for it has to be told only as long as
    its body has not begun to come.
    """
    return reading.messages, reading.status, reading.reason
