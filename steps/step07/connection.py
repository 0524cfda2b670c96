"""Send a response in one write."""

import contextlib
import socket

from steps.http11 import Request, Response
from steps.step01.connection import Connection


class OneWriteConnection(Connection):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        # Nagle's algorithm off: a small segment does not wait until the one before it
        # is acknowledged.
        with contextlib.suppress(OSError):  # on macOS, if the client has gone already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # [one-write]
    def send(self, response: Response, request: Request | None, keep: bool) -> None:
        """Send head and body together. `request` is None in answer to a bad one."""
        self.sock.sendall(response.encode(request, keep))

    # [/one-write]
