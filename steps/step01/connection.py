"""One client's connection: receive a request, send its response."""

import contextlib
import socket

from steps.http11 import BadRequest, Gatherer, Request, Response

RECEIVE_BYTES = 65_536


class Connection:
    """A client's socket, which blocks, and the parser that is fed what comes from it.

    What has come beyond the end of a request stays in the parser for the next one.
    """

    def __init__(self, sock: socket.socket) -> None:
        # The listener does not block, and on macOS an accepted socket inherits that:
        # recv() would raise BlockingIOError where it should wait for the client.
        sock.setblocking(True)
        self.sock = sock
        self.requests = Gatherer()

    # [receive]
    def receive(self) -> Request | None:
        """Block until a whole request has come, and return it; None if the client goes.

        Raises BadRequest, and OSError when the client breaks the connection off.
        """
        while (request := self.requests.next_request()) is None:
            data = self.sock.recv(RECEIVE_BYTES)
            if not data:
                return None
            self.requests.feed(data)
        return request

    # [/receive]

    # [send]
    def send(self, response: Response, request: Request | None, keep: bool) -> None:
        """Send the head, then the body. `request` is None in answer to a bad one."""
        self.sock.sendall(response.encode_head(request, keep))
        self.sock.sendall(response.encode_body(request))

    # [/send]

    def refuse(self, error: BadRequest) -> None:
        """Answer a request that could not be understood; the caller then closes."""
        with contextlib.suppress(OSError):  # the client may have gone
            self.send(Response(error.status, error.reason.encode()), None, keep=False)

    def interrupt(self) -> None:
        """End the connection, and the `recv()` or `send()` that a thread is blocked in.

        `close()` would not end them: on Linux the blocked thread goes on waiting.
        """
        with contextlib.suppress(OSError):  # the client has ended it already
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.sock.close()
