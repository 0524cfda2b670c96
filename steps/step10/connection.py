"""A connection whose request may be with a handler, in another thread."""

import socket

from steps.step09 import connection


class Connection(connection.Connection):
    __slots__ = ("busy", "watched")

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.busy = False  # a handler has its request: no other is taken until then
        self.watched = 0  # what the selector has been told to watch for

    def receive_next(self) -> None:
        """Read, unless there may be a request in what has been read before."""
        if not self.requests.buffer:
            self.receive()
