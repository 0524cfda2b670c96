"""A connection that knows what it waits for, and how long it may."""

import contextlib
import socket
import struct
from enum import IntEnum
from typing import Any

from steps.http11 import BETWEEN, IN_HEAD, Reader
from steps.step09.connection import LINGERING
from steps.step10 import connection
from steps.step10.connection import FOR_ANSWER, FOR_PLACE, TO_SEND, Wait
from steps.step11.deadlines import NEVER, Bucket

# For SO_LINGER: linger, but for 0 seconds. Then close() drops what has not been sent,
# and the client gets a reset.
ABORT = struct.pack("ii", 1, 0)


# [phase]
class Phase(IntEnum):
    """What a connection waits for, as far as it matters for how long it may."""

    IDLE = 1  # the first byte of a request
    HEADER = 2  # the rest of its head
    BODY = 3  # the rest of its body
    HANDLER = 4  # an answer from the workers
    PLACE = 5  # that the workers have a place for its request
    WRITE = 6  # that the client reads its answer
    LINGER = 7  # that the client closes


# A global name is found ten times as quickly as a member of an Enum.
IDLE, HEADER, BODY, HANDLER, PLACE, WRITE, LINGER = Phase
# [/phase]


class Connection(connection.Connection):
    __slots__ = ("bucket", "deadline", "phase", "progress_before")

    def __init__(self, sock: socket.socket, reader: Reader) -> None:
        super().__init__(sock, reader)
        self.deadline = NEVER
        self.bucket: Bucket[Any] | None = None
        self.phase: Phase | None = None  # whose deadline is set; None: set a new one
        self.progress_before = 0  # when that deadline was set

    # [phase-now]
    def phase_now(self, wait: Wait) -> Phase:
        """wait: what `waits_for()` said, and not that it is over."""
        if wait is TO_SEND:
            return WRITE
        if wait is FOR_ANSWER:
            return HANDLER
        if wait is FOR_PLACE:
            return PLACE
        if self.state is LINGERING:
            return LINGER
        if self.gatherer is None:
            return IDLE
        stage = self.gatherer.stage()
        return IDLE if stage is BETWEEN else HEADER if stage is IN_HEAD else BODY

    # [/phase-now]

    @property
    def progress(self) -> int:
        """In a phase that a slow client may prolong: how many bytes it has sent of a
        body, or read of an answer. Only differences mean something."""
        if self.phase is WRITE:
            return -self.unsent
        return 0 if self.gatherer is None else self.gatherer.fed

    def has_asked(self) -> bool:
        """Whether its client has sent anything of a request that nobody has yet."""
        try:
            return self.has_input or self._is_unread()
        except OSError:
            return False  # it has gone

    # [close]
    def close(self) -> None:
        """Where an answer has not been sent to its end, close with a reset.

        Otherwise the kernel would keep what it has taken of the answer, and go on
        asking the client whether it reads now.
        """
        if self.unsent:
            with contextlib.suppress(OSError):  # macOS, when the client has gone
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        super().close()

    # [/close]
