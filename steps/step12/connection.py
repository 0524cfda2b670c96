"""A connection whose answer may come in pieces, for a server that has limits."""

import logging
import socket
import threading
from collections.abc import Callable, Generator

from steps.http11 import Gatherer, Request
from steps.step09.connection import MAX_LINGER_BYTES
from steps.step11 import connection
from steps.step12.body import SpoolingGatherer

# Where the rest of an answer comes from, and then: whether the connection can be kept.
Pieces = Generator[bytes, None, bool]
# The first bytes; if they are all, whether the connection can be kept; else the rest.
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
        self.peer = ""  # not known yet
        self.taken = 0  # requests
        self.request: Request | None = None  # the one that is being answered
        self.status = self.size = 0  # of its answer, for the access log
        self.stream: Pieces | None = None  # where the rest of that comes from
        # Where a worker makes the stream: locked, while there is enough to send.
        self.room: threading.Lock | None = None

    def _gatherer(self) -> Gatherer:
        return self._new_gatherer()

    def find_peer(self) -> str:
        """The client's address, asked for when it is wanted: few are."""
        try:
            self.peer = str(self.sock.getpeername()[0])
        except OSError:
            self.peer = "-"  # it has gone
        return self.peer

    def close_after(self, request: Request) -> None:
        """Let this request be the last, whatever its client has wished."""
        if request.keep_alive:
            request.keep_alive = False
            # The client does not know, and may have sent another.
            self._linger = MAX_LINGER_BYTES

    @property
    def begun(self) -> bool:
        """Some of the answer that is being made has been sent already."""
        return self.stream is not None or self.room is not None

    def pull(self) -> tuple[bytes, bool | None]:
        """One more piece, for the client has read those before; or the end, and whether
        the connection can be kept."""
        assert self.stream is not None
        try:
            return next(self.stream), None
        except StopIteration as end:
            keep: bool = end.value
        except BaseException:
            log.exception("an answer has broken off")
            keep = False  # the client sees that more is due
        self.stream = None
        return b"", keep

    def make_room(self) -> None:
        """A worker that waits may send another piece."""
        if self.room is not None and self.room.locked():
            self.room.release()

    def close(self) -> None:
        super().close()
        self.make_room()  # the worker will see that the state is DONE
        if isinstance(self.requests, SpoolingGatherer):
            self.requests.close()
        if self.stream is not None:
            try:
                self.stream.close()
            except Exception:
                log.exception("an application failed in close()")
