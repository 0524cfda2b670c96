"""A connection that knows what it waits for, and how long it may."""

import contextlib
import socket
import struct
from enum import IntEnum
from typing import Any

from steps.http11 import BETWEEN, IN_HEAD
from steps.step09.connection import LINGERING
from steps.step10 import connection
from steps.step11.deadlines import NEVER, Bucket

# For SO_LINGER: linger, but for 0 seconds. Then close() drops what has not been sent,
# and the client gets a reset.
ABORT = struct.pack("ii", 1, 0)


# [phase]
class Phase(IntEnum):
    """What a connection waits for."""

    IDLE = 1  # the first byte of a request
    HEADER = 2  # the rest of its head
    BODY = 3  # the rest of its body
    HANDLER = 4  # an answer from the workers
    WRITE = 5  # that the client reads its answer
    LINGER = 6  # that the client closes


# A global name is found ten times as quickly as a member of an Enum.
IDLE, HEADER, BODY, HANDLER, WRITE, LINGER = Phase
# [/phase]


class Connection(connection.Connection):
    __slots__ = ("bucket", "deadline", "moved_before", "phase")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.deadline = NEVER
        self.bucket: Bucket[Any] | None = None
        self.phase: Phase | None = None  # whose deadline is set; None: set a new one
        self.moved_before = 0  # what `moved` was when that deadline was set

    # [phase-now]
    def phase_now(self) -> Phase:
        if self.unsent:
            return WRITE
        if self.state is LINGERING:
            return LINGER
        if self.busy:
            return HANDLER
        stage = self.requests.stage()
        if stage is BETWEEN:
            return IDLE
        return HEADER if stage is IN_HEAD else BODY

    # [/phase-now]

    # [close]
    def close(self) -> None:
        """Where an answer has not been sent to its end, close with a reset.

        Otherwise the kernel would keep what it has taken of the answer, and go on for
        minutes asking the client whether it reads now.
        """
        if self.unsent:
            with contextlib.suppress(OSError):  # macOS, when the client has gone
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        super().close()

    # [/close]
