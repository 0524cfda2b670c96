"""A connection whose answer may come in pieces, for a server that has limits."""

import logging
import socket
import threading
from collections.abc import Callable, Generator
from selectors import EVENT_READ, EVENT_WRITE

from steps.http11 import Gatherer, Request
from steps.step09.connection import DONE, LAST, MAX_LINGER_BYTES
from steps.step11 import connection
from steps.step12.body import SpoolingGatherer

# The first bytes to send; whether the connection can be kept after the last of them;
# and where the others come from, if there are any.
Answer = tuple[bytes, bool, Generator[bytes, None, None] | None]

log = logging.getLogger(__name__)


class Connection(connection.Connection):
    __slots__ = (
        "_new_gatherer",
        "_peer",
        "keep",
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
        self._peer: str | None = None
        self.taken = 0  # requests
        self.request: Request | None = None  # the one that is being answered
        self.status = self.size = 0  # of its answer, for the access log
        self.stream: Generator[bytes, None, None] | None = None  # where that comes from
        self.keep = True  # whether the connection can be kept after the stream
        # Where a worker makes the stream: locked, while there is enough to send.
        self.room: threading.Lock | None = None

    def _gatherer(self) -> Gatherer:
        return self._new_gatherer()

    @property
    def peer(self) -> str:
        """The client's address, asked for when it is wanted: few are."""
        if self._peer is None:
            try:
                self._peer = self.sock.getpeername()[0]
            except OSError:
                self._peer = "-"  # it has gone
        return self._peer

    @property
    def interest(self) -> int:
        if self.unsent or self.stream is not None:
            return EVENT_WRITE
        return 0 if self.ended or self.state is DONE else EVENT_READ

    def close_after(self, request: Request) -> None:
        """Let this request be the last, whatever its client has wished."""
        if request.keep_alive:
            request.keep_alive = False
            # The client does not know, and may have sent another.
            self._linger = MAX_LINGER_BYTES

    def begin_answer(self, request: Request) -> None:
        self.request = request
        self.taken += 1
        self.busy = True

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
        except StopIteration:
            keep = self.keep
        except BaseException:
            log.exception("an answer has broken off")
            keep = False  # the client sees that more is due
        self.stream = None
        return b"", keep

    def end_answer(self, keep: bool) -> None:
        self.request = self.room = None
        self.busy = False
        if not keep:
            self.state = LAST

    def make_room(self) -> None:
        """A worker that waits may send another piece."""
        if self.room is not None and self.room.locked():
            self.room.release()

    def close(self) -> None:
        super().close()
        self.make_room()  # the worker will see that the state is DONE
        if isinstance(self._requests, SpoolingGatherer):
            self._requests.close()
        if self.stream is not None:
            try:
                self.stream.close()
            except Exception:
                log.exception("an application failed in close()")
