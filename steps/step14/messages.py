"""What a process says to its supervisor, and how that is found in a stream of bytes.

A stream knows nothing of messages: one `recv()` may give two of them, or half a one. So
each is sent in a frame: one byte that says how long the message is, and the message.

The process runs an application, which could write anything here. So the reader trusts
nothing: it gives messages or raises ValueError, and keeps no more than a frame.
"""

import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

from steps.step12.server import Stats

# The first byte of a message is its kind. The numbers come in the order of the fields.
READY, STATS = b"r", b"s"
NUMBERS = struct.Struct(f"!{len(fields(Stats))}Q")


@dataclass(frozen=True)
class Ready:
    """The process has loaded the application, and serves."""


Message = Ready | Stats


# [frames]
def encode(message: Message) -> bytes:
    if isinstance(message, Ready):
        body = READY
    else:
        body = STATS + NUMBERS.pack(*astuple(message))
    return bytes([len(body)]) + body


def decode(body: bytes) -> Message:
    kind, content = body[:1], body[1:]
    if kind == READY and not content:
        return Ready()
    if kind == STATS and len(content) == NUMBERS.size:
        return Stats(*NUMBERS.unpack(content))
    raise ValueError(f"not a message: {body!r:.99}")


class Reader:
    def __init__(self) -> None:
        self._unread = b""  # the beginning of a frame

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take the bytes that have come, and give the messages that are whole now."""
        self._unread += data
        while self._unread and len(self._unread) > self._unread[0]:
            end = 1 + self._unread[0]
            body, self._unread = self._unread[1:end], self._unread[end:]
            yield decode(body)


# [/frames]
