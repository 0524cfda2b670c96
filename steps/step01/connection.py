"""One client's connection: receive a request, send its response in two writes."""

import contextlib
import socket

from steps.http11 import BadRequest, Gatherer, Request, Response

RECEIVE_BYTES = 65_536


class Connection:
    """A connected, blocking socket, and what came from it beyond the last request."""

    def __init__(self, sock: socket.socket) -> None:
        # On macOS an accepted socket is non-blocking if the listener is.
        sock.setblocking(True)
        self.sock = sock
        self.requests = Gatherer()

    def receive(self) -> Request | None:
        """Block until a whole request has come; `None`: the client has gone.

        Raises BadRequest, and OSError when the client resets the connection.
        """
        while (request := self.requests.next_request()) is None:
            data = self.sock.recv(RECEIVE_BYTES)
            if not data:
                return None
            self.requests.feed(data)
        return request

    # [two-writes]
    def send(self, response: Response, request: Request | None, keep: bool) -> None:
        """Send the head, then the body. `request` is None in answer to a bad one."""
        self.sock.sendall(response.encode_head(request, keep))
        self.sock.sendall(response.encode_body(request))

    # [/two-writes]

    def refuse(self, error: BadRequest) -> None:
        """Answer a request that could not be understood; the caller then closes."""
        with contextlib.suppress(OSError):  # the client may have gone
            self.send(Response(error.status, error.reason.encode()), None, keep=False)

    def interrupt(self) -> None:
        """From another thread: end a `recv()` or `send()` that blocks in this one."""
        with contextlib.suppress(OSError):  # the client was quicker
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.sock.close()
