"""A connection whose answer may come in pieces, for a server that has limits."""

import logging
import socket
import threading
from collections.abc import Callable, Generator

from steps.http11 import Gatherer, Request
from steps.step09.connection import MAX_LINGER_BYTES
from steps.step11 import connection
from steps.step12.body import SpoolingGatherer

# A generator that makes the rest of an answer, piece by piece. What it returns at its
# end is whether the connection can be kept.
Pieces = Generator[bytes, None, bool]
# What a handler gives: the first bytes of an answer; if they are all, whether the
# connection can be kept, else None; and the rest, if there is one.
Answer = tuple[bytes, bool | None, Pieces | None]


def rest(body: bytes, keep: bool) -> Pieces:
    yield body
    return keep


log = logging.getLogger(__name__)


class Connection(connection.Connection):
    __slots__ = (
        "_new_gatherer",
        "peer",
        "request",
        "room",
        "size",
        "status",
        "stream",
        "taken",
    )

    def __init__(
        self, sock: socket.socket, new_gatherer: Callable[[], Gatherer]
    ) -> None:
        super().__init__(sock)
        self._new_gatherer = new_gatherer
        self.peer = ""  # the client's address, when it has been asked for
        self.taken = 0  # how many requests
        self.request: Request | None = None  # the one that is being answered
        self.status = self.size = 0  # of its answer, for the access log
        self.stream: Pieces | None = None  # makes its rest, if handlers run in the loop
        # Where a worker sends an answer in pieces, it acquires this before each piece,
        # and the loop releases it when there is room for another: when the client has
        # read enough. None: no piece has come.
        self.room: threading.Lock | None = None

    def _gatherer(self) -> Gatherer:
        return self._new_gatherer()

    def find_peer(self) -> str:
        """Ask the kernel for the client's address. It costs a call, and few need it."""
        try:
            self.peer = str(self.sock.getpeername()[0])
        except OSError:
            self.peer = "-"  # the client has gone
        return self.peer

    def close_after(self, request: Request) -> None:
        """Let this request be the last, whatever its client has wished."""
        if request.keep_alive:
            request.keep_alive = False
            # The client does not know, and may have sent another request. That is not
            # answered, but read: unread, it could cost the client this answer.
            self._linger = MAX_LINGER_BYTES

    @property
    def begun(self) -> bool:
        """Whether a part of the answer is sent already: no other can take its place."""
        return self.stream is not None or self.room is not None

    def pull(self) -> tuple[bytes, bool | None]:
        """The next piece of the answer, and None. After the last: no bytes, and whether
        the connection can be kept."""
        assert self.stream is not None
        try:
            return next(self.stream), None
        except StopIteration as end:
            keep: bool = end.value
        except BaseException:
            log.exception("an answer has broken off")
            keep = False  # the client has to see that it is not whole
        self.stream = None
        return b"", keep

    def make_room(self) -> None:
        """Let a worker that waits send another piece.

        Nobody else releases the lock. So if it is locked, it still is in the next line.
        """
        if self.room is not None and self.room.locked():
            self.room.release()

    def close(self) -> None:
        super().close()
        self.make_room()  # a worker that waits goes on, and finds the state DONE
        if isinstance(self.requests, SpoolingGatherer):
            self.requests.close()
        if self.stream is not None:
            try:
                self.stream.close()
            except Exception:
                log.exception("an application failed in close()")
