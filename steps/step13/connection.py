"""A connection whose answer may come in pieces."""

import socket
import threading
from collections.abc import Generator

from steps.app import report
from steps.http11 import Reader
from steps.step09.connection import LAST
from steps.step12 import connection
from steps.step12.access_log import AccessLog
from steps.step13.body import SpoolingGatherer

# [answer]
# A generator that makes the rest of an answer, piece by piece. What it returns at its
# end is whether the connection can be kept.
Pieces = Generator[bytes, None, bool]
# What a handler gives: the first bytes of an answer; if they are all, whether the
# connection can be kept, else None; and the rest, if there is one.
Answer = tuple[bytes, bool | None, Pieces | None]
# [/answer]


def rest(body: bytes, keep: bool) -> Pieces:
    yield body
    return keep


class Connection(connection.Connection):
    __slots__ = ("_is_chunked", "_size", "_status", "room", "stream")

    def __init__(
        self, sock: socket.socket, reader: Reader, log: AccessLog | None
    ) -> None:
        super().__init__(sock, reader, log)
        self._status: int | None = None  # of the answer that has begun
        self._is_chunked = False
        self._size = 0  # of its body, so far, in bytes
        self.stream: Pieces | None = None  # makes its rest, if handlers run in the loop
        # Where a worker sends an answer in pieces: it waits for this before each piece
        # and clears it. The loop sets it when there is room for another: when the
        # client has read enough. None: no piece has come.
        self.room: threading.Event | None = None

    @property
    def begun(self) -> bool:
        """Whether a part of the answer is sent already: no other can take its place."""
        return self.stream is not None or self.room is not None

    def add(self, data: bytes, keep: bool | None) -> None:
        """Put a piece of the answer behind what waits to be sent. keep: None if more
        follow, else whether the connection can be kept."""
        if data:
            self.send(data)
            if self._log is not None:
                self._count(data)
        if keep is not None:
            self.busy = False
            self.stream = self.room = None
            if self._log is not None:
                self.over(self._status, self._size)
                self._status = None
            self.request = None
            if not keep:
                self.state = LAST

    def _count(self, data: bytes) -> None:
        """For the access log: what of these bytes belongs to the body."""
        if self._status is None:
            head, _, data = data.partition(b"\r\n\r\n")
            self._status = int(head[9:12])  # behind "HTTP/1.1 "
            self._is_chunked = b"\r\nTransfer-Encoding: chunked" in head
            self._size = 0
        if self._is_chunked and data:  # "SIZE", the bytes; each on a line
            self._size += int(data[: data.index(b"\r\n")], 16)
        else:
            self._size += len(data)

    def pull(self) -> tuple[bytes, bool | None]:
        """The next piece of the answer, and None. After the last: no bytes, and whether
        the connection can be kept."""
        assert self.stream is not None
        try:
            return next(self.stream), None
        except StopIteration as end:
            keep: bool = end.value
        except BaseException:
            report("an answer has broken off")
            keep = False  # the client has to see that it is not whole
        return b"", keep

    def make_room(self) -> None:
        """Let a worker that waits send another piece."""
        if self.room is not None:
            self.room.set()

    def close(self) -> None:
        if self._status is not None:  # it is broken off: what is unsent is not counted
            self.over(self._status, max(0, self._size - self.unsent))
        super().close()
        self.make_room()  # a worker that waits goes on, and finds the state DONE
        if isinstance(self.gatherer, SpoolingGatherer):
            self.gatherer.close()
        if self.stream is not None:
            try:
                self.stream.close()
            except BaseException:
                report("an application failed in close()")
