"""A connection whose requests are counted and logged, and one of which is the last."""

import socket

from steps.http11 import BadRequest, Reader, Request, Response
from steps.step09.connection import MAX_LINGER_BYTES, OPEN
from steps.step11 import connection
from steps.step12.access_log import AccessLog


class Connection(connection.Connection):
    __slots__ = ("_log", "peer", "request", "taken")

    def __init__(
        self, sock: socket.socket, reader: Reader, log: AccessLog | None
    ) -> None:
        super().__init__(sock, reader)
        self._log = log
        self.peer = ""  # the client's address, once it has been asked for
        self.taken = 0  # how many requests
        self.request: Request | None = None  # the one that is being answered

    def ask_for_peer(self) -> str:
        """The client's address. To ask the kernel costs a call, and few need it."""
        if not self.peer:
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

    # [over]
    def answer(self, request: Request, response: Response) -> None:
        connection.Connection.answer(self, request, response)
        if self._log is not None:
            self.over(response.status, len(response.encode_body(request)))
        self.request = None

    def refuse(self, error: BadRequest) -> None:
        super().refuse(error)
        self.over(error.status, len(error.reason))

    def close(self) -> None:
        # Its client has left, or the drain did not wait for it.
        if self.request is not None:
            self.over(None, 0)
        if self.state is OPEN and self.gatherer and self.gatherer.request:
            self.request = self.gatherer.request  # only a part of its body has come
            self.over(None, 0)
        super().close()

    def over(self, status: int | None, size: int) -> None:
        """No more is done for the request that is being answered."""
        if self._log is not None:
            self._log.add(self.ask_for_peer(), self.request, status, size)
        self.request = None

    # [/over]
