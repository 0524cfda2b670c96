"""A response as the lab's clients see it: is it whole, how long is it, what comes next?

Enough of HTTP/1 for the servers that the lab measures: a status line, a Content-Length,
`Connection: close`. What has no Content-Length (a chunked body, a body that ends with
the connection) is not understood, and said to be malformed.
"""

from __future__ import annotations

import re

#: What a head may measure in bytes before it counts as malformed.
MAX_HEAD_BYTES = 65536

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})\r\n", re.I)
CLOSES = re.compile(rb"\r\nconnection:[ \t]*close\r\n", re.I)


class MalformedError(Exception):
    """The server's bytes are not an answer that this client understands."""


class Answer:
    """An answer that did not come in one piece of the usual length.

    Its head is kept until it is whole; of its body the bytes are only counted.
    """

    __slots__ = ("_head", "closes", "field", "received", "status", "total")

    def __init__(self) -> None:
        self._head = b""
        self.received = 0
        #: Head and body, in bytes; 0 while the head is not whole.
        self.total = 0
        self.status = b""
        self.closes = False
        #: Where the head has its Content-Length, and the field's bytes.
        self.field = (0, 0, b"")

    def add(self, data: bytes) -> bool:
        """Take bytes; True when the answer is whole. MalformedError if it is none."""
        self.received += len(data)
        if not self.total:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end >= 0:
                self._parse(self._head[: end + 4])
                self._head = b""
            elif len(self._head) > MAX_HEAD_BYTES:
                raise MalformedError
        if self.total and self.received > self.total:
            raise MalformedError
        return self.received == self.total

    def _parse(self, head: bytes) -> None:
        status = STATUS_LINE.match(head)
        length = CONTENT_LENGTH.search(head)
        if not status or not length:
            raise MalformedError
        self.status = status[1]
        self.total = len(head) + int(length[1])
        self.closes = CLOSES.search(head) is not None
        self.field = (*length.span(), length[0])
