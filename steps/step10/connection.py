"""A connection whose request may be with a handler, in another thread."""

import socket
from enum import IntEnum
from selectors import EVENT_READ, EVENT_WRITE

from steps.http11 import Reader
from steps.step09 import connection
from steps.step09.connection import DONE, LINGERING


# [waits]
class Wait(IntEnum):
    """What a connection waits for."""

    TO_SEND = 0  # that the client reads: there is something to send
    FOR_ANSWER = 1  # that the workers answer its request
    FOR_PLACE = 2  # that the pool has a place for another request
    TO_RECEIVE = 3  # that the client sends
    NOTHING = 4  # it is over


TO_SEND, FOR_ANSWER, FOR_PLACE, TO_RECEIVE, NOTHING = Wait

# What the selector has to watch for. For an answer that stays as it is: most clients
# send nothing before they have it, so it would not pay to tell the selector each time
# that a worker has a request of them.
INTEREST = {TO_SEND: EVENT_WRITE, FOR_PLACE: 0, TO_RECEIVE: EVENT_READ, NOTHING: 0}


class Connection(connection.Connection):
    __slots__ = ("busy", "watched")

    def __init__(self, sock: socket.socket, reader: Reader) -> None:
        super().__init__(sock, reader)
        self.busy = False  # a handler has a request of it; the next has to wait
        self.watched = 0  # what the selector has been told to watch for

    def waits_for(self, pool_is_full: bool) -> Wait:
        """Decided here alone, by what the connection has to do next."""
        if self.unsent:
            return TO_SEND  # a client that does not read is not read either
        if self.busy:
            return FOR_ANSWER
        if self.ended or self.state is DONE:
            return NOTHING
        if pool_is_full and self.state is not LINGERING:
            return FOR_PLACE  # what it sends could not be given to anybody
        return TO_RECEIVE

    # [/waits]
