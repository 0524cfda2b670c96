"""What clients do who hold a connection and do not go on, each in its way."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from lab.doctor.raw import Target, Wire

#: Requests that a client sends, at most, who reads no answer.
UNREAD_REQUESTS = 4_000
#: Answers of so many bytes are more than what the kernels take of them.
UNREAD_BYTES = 700_000
#: It has sent enough when the server has taken no more for so long.
STUCK_S = 0.25

Holder = Callable[[Wire], None]


def say_nothing(wire: Wire) -> None:
    pass


def half_a_head(wire: Wire) -> None:
    request = wire.target.request()
    wire.send(request[: len(request) // 2])


def half_a_body(wire: Wire) -> None:
    fields = ("Content-Type: application/octet-stream", "Content-Length: 100")
    wire.send(wire.target.request("POST", fields=fields) + b"half")


def unread_requests(target: Target) -> int:
    """How many a client sends, at most, who reads no answer."""
    enough = UNREAD_BYTES // max(1, target.answer_bytes) + 50
    return min(UNREAD_REQUESTS, enough)


def read_nothing(wire: Wire) -> None:
    """Send requests until the server takes no more of them. Read no answer."""
    request = wire.target.request()
    block = request * 50
    sent, most = 0, len(request) * unread_requests(wire.target)
    wire.sock.setblocking(False)
    offset = 0
    since = time.monotonic()
    while sent < most and time.monotonic() - since < STUCK_S:
        try:
            count = wire.sock.send(block[offset:])
        except BlockingIOError:
            select.select([], [wire.sock], [], STUCK_S / 5)
            continue
        except OSError:
            return  # it was closed: the count of open ones tells
        sent += count
        wire.asked = sent // len(request)
        offset = (offset + count) % len(block)
        since = time.monotonic()


def end_our_side(wire: Wire) -> None:
    """It has had an answer, and says that it will ask for no more."""
    wire.exchange()
    wire.sock.shutdown(socket.SHUT_WR)


HOLD: dict[str, Holder] = {
    "silent": say_nothing,
    "half": half_a_head,
    "body": half_a_body,
    "unread": read_nothing,
    "ended": end_our_side,
}
