"""The coroutines of by_hand.py once more, with `async def` and `await`.

What it does: the same, on the same loop. Python's own coroutines have the `send()` that
generators have, so a task drives either. Here those that serve clients are Python's,
and the one that accepts them is still by_hand.py's generator.

See it work: as by_hand.py, with `python -m steps.step15.with_await`
"""

import contextlib
import socket
from selectors import EVENT_READ, EVENT_WRITE

from steps.app import Application, answer
from steps.command import main
from steps.http11 import BadRequest, Gatherer, Request, Response
from steps.step01.connection import RECEIVE_BYTES
from steps.step15 import by_hand
from steps.step15.by_hand import AnyCoroutine, Loop


# [receive]
async def receive(
    loop: Loop, sock: socket.socket, requests: Gatherer
) -> Request | None:
    """Wait until a whole request has come; None if the client goes."""
    while (request := requests.next_request()) is None:
        await loop.ready(sock, EVENT_READ)
        with contextlib.suppress(BlockingIOError):  # it was ready, and no longer is
            data = sock.recv(RECEIVE_BYTES)
            if not data:
                return None
            requests.feed(data)
    return request


# [/receive]


async def send_all(loop: Loop, sock: socket.socket, data: bytes) -> None:
    """Wait until the kernel has taken everything."""
    unsent = memoryview(data)
    while True:
        with contextlib.suppress(BlockingIOError):  # it has no room at all
            unsent = unsent[sock.send(unsent) :]
        if not unsent:
            return
        await loop.ready(sock, EVENT_WRITE)


async def serve(loop: Loop, sock: socket.socket, app: Application) -> None:
    """One client, from its first request to its last."""
    requests = Gatherer()
    with sock, contextlib.suppress(OSError):  # the client has gone
        try:
            while (request := (await receive(loop, sock, requests))) is not None:
                keep = request.keep_alive
                data = answer(app, request).encode(request, keep)
                await send_all(loop, sock, data)
                if not keep:
                    return
        except BadRequest as error:
            response = Response(error.status, error.reason.encode())
            await send_all(loop, sock, response.encode(None, keep_alive=False))


class Server(by_hand.Server):
    """As in by_hand.py."""

    def _serve(self, sock: socket.socket) -> AnyCoroutine:
        return serve(self._loop, sock, self._app)


if __name__ == "__main__":
    main("step15.with_await", Server)
