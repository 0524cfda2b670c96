"""A response as the lab's clients see it: is it whole, how long is it, what comes next?

Enough of HTTP/1 for any server: a status line, and a body whose end is told by its
Content-Length, by the last of its chunks, or by the end of the connection.
"""

from __future__ import annotations

import re
from typing import Literal

#: What a head may measure in bytes before it counts as malformed.
MAX_HEAD_BYTES = 65536
#: And the line before a chunk.
MAX_CHUNK_LINE_BYTES = 4096

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})[ \r]")
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})\r\n", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.I)
CLOSES = re.compile(rb"\r\nconnection:[ \t]*close\r\n", re.I)
KEEPS = re.compile(rb"\r\nconnection:[ \t]*keep-alive\r\n", re.I)
CHUNK_SIZE = re.compile(rb"[0-9a-f]{1,15}", re.I)

#: How a body's end is told.
Framing = Literal["none", "length", "chunked", "close"]


class MalformedError(Exception):
    """The server's bytes are not an answer that this client understands."""


class Answer:
    """An answer that did not come in one piece of the usual length.

    Its head is kept; of its body the bytes are only counted.

    bodiless: it answers a HEAD, so that whatever its head says, no body follows.
    """

    __slots__ = (
        "_chunks",
        "_left",
        "bodiless",
        "closes",
        "field",
        "framing",
        "head",
        "interim",
        "received",
        "status",
        "total",
        "version",
        "whole",
    )

    def __init__(self, bodiless: bool = False) -> None:
        self.bodiless = bodiless
        #: The statuses of what came before it: 100, for example.
        self.interim: list[int] = []
        self._begin()

    def _begin(self) -> None:
        #: The head with its empty line, or as much of it as has come.
        self.head = b""
        self.received = 0
        #: Head and body, in bytes; 0 while that is not known.
        self.total = 0
        self.whole = False
        self.status = b""
        #: Of HTTP/1.
        self.version = 1
        self.closes = False
        self.framing: Framing = "none"
        #: Where the head has its Content-Length, and the field's bytes.
        self.field = (0, 0, b"")
        #: Bytes of the body that have to come; of a chunk, with its line's end.
        self._left = 0
        self._chunks: _Chunks | None = None

    @property
    def head_is_whole(self) -> bool:
        return bool(self.status)

    def add(self, data: bytes) -> bool:
        """Take bytes; True when the answer is whole. MalformedError if it is none, or
        if there are more bytes than belong to it."""
        if self.take(data):
            raise MalformedError
        return self.whole

    def take(self, data: bytes) -> bytes:
        """Take bytes; returns those that come after the answer's end."""
        while True:
            before = len(data)
            rest = self._take(data)
            self.received += before - len(rest)
            if not self.whole:
                return rest
            self.total = self.received
            if self.status[:1] != b"1" or self.status == b"101":
                return rest
            # 1xx: the answer itself is still to come.
            self.interim.append(int(self.status))
            self._begin()
            data = rest

    def end(self) -> bool:
        """The connection has ended; whether the answer is whole because of that."""
        if self.head_is_whole and self.framing == "close":
            self.whole = True
            self.total = self.received
        return self.whole

    def _take(self, data: bytes) -> bytes:
        if self.whole:
            return data
        if not self.head_is_whole:
            before = len(self.head)
            self.head += data
            end = self.head.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(self.head) > MAX_HEAD_BYTES:
                    raise MalformedError
                return b""
            self.head = self.head[:end]
            self._parse(self.head)
            data = data[end - before :]
        if self.framing == "close":
            return b""
        if self._chunks:
            rest = self._chunks.take(data)
            self.whole = self._chunks.whole
            return rest
        taken = min(self._left, len(data))
        self._left -= taken
        self.whole = not self._left
        return data[taken:]

    def _parse(self, head: bytes) -> None:
        line = STATUS_LINE.match(head)
        if not line:
            raise MalformedError
        self.version, self.status = int(line[1]), line[2]
        length = CONTENT_LENGTH.search(head)
        if length:
            self.field = (*length.span(), length[0])
        if self.bodiless or self.status[:1] == b"1" or self.status in (b"204", b"304"):
            self.framing = "none"
        elif CHUNKED.search(head):
            self.framing = "chunked"
            self._chunks = _Chunks()
        elif length:
            self.framing = "length"
            self._left = int(length[1])
            self.total = len(head) + self._left
        else:
            self.framing = "close"
        self.closes = (
            self.framing == "close"
            or CLOSES.search(head) is not None
            or (self.version == 0 and KEEPS.search(head) is None)
        )


class _Chunks:
    """A chunked body: for each chunk a line with its size, the bytes, a line's end."""

    def __init__(self) -> None:
        self.whole = False
        self._line = b""
        self._left = 0
        #: After the chunk of no bytes: fields, and an empty line.
        self._trailer = False

    def take(self, data: bytes) -> bytes:
        while data and not self.whole:
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
                continue
            piece, end, rest = data.partition(b"\n")
            self._line += piece + end
            data = rest
            if not end:
                if len(self._line) > MAX_CHUNK_LINE_BYTES:
                    raise MalformedError
                break
            self._is_line(self._line.rstrip(b"\r\n"))
            self._line = b""
        return data

    def _is_line(self, line: bytes) -> None:
        if self._trailer:
            self.whole = not line
            return
        size = CHUNK_SIZE.match(line)
        if not size:
            raise MalformedError
        length = int(size[0], 16)
        self._trailer = not length
        self._left = length + 2 if length else 0
