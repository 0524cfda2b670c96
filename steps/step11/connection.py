"""A connection that knows what it waits for, and since when."""

import contextlib
import socket
import struct
from enum import IntEnum
from typing import Any

from steps.http11 import BETWEEN, IN_HEAD
from steps.step09.connection import LINGERING
from steps.step10 import connection
from steps.step11.deadlines import NEVER, Bucket

# For SO_LINGER: to close is to drop what is left, and to tell the client with a reset.
ABORT = struct.pack("ii", 1, 0)


# [phase]
class Phase(IntEnum):
    """What a connection waits for."""

    IDLE = 1  # the first byte of a request
    HEADER = 2  # the rest of its head
    BODY = 3  # the rest of its body
    HANDLER = 4  # the workers
    WRITE = 5  # the client, to read
    LINGER = 6  # the client, to close


# A global name is found ten times as quickly as a member of an Enum.
IDLE, HEADER, BODY, HANDLER, WRITE, LINGER = Phase
# [/phase]


class Connection(connection.Connection):
    __slots__ = ("bucket", "deadline", "moved_before", "phase")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.deadline = NEVER
        self.bucket: Bucket[Any] | None = None
        self.phase: Phase | None = None  # the one that the deadline is for
        self.moved_before = 0  # bytes that had been moved when it began

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
        """With the rest of an answer the kernel would go on for minutes: it keeps what
        it has taken, and asks the client again and again whether it reads now."""
        if self.unsent:
            with contextlib.suppress(OSError):  # macOS, where the client has gone
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        super().close()

    # [/close]
