"""A connection whose request may be with a handler, in another thread."""

import socket

from steps.step09 import connection


class Connection(connection.Connection):
    __slots__ = ("busy", "watched")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.busy = False  # a handler has a request of it; the next has to wait
        self.watched = 0  # what the selector has been told to watch for

    def receive_next(self) -> None:
        """Read, unless the buffer may hold a whole request already. That is to be taken
        first: else the buffer would grow with each call."""
        if not self.requests.buffer:
            self.receive()
