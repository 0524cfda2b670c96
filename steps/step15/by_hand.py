"""A coroutine by hand: a generator for each connection, on step 08's loop.

What it does: `serve()` and `receive()` read like step 01, where a thread waits for one
client at a time. At a `yield from` the function stops, and the loop serves others; when
the socket is ready, the function goes on from that line with all its variables. The
names are asyncio's. `with_await.py` has the same with Python's own words for it.

What it costs: a generator, a task and a future in place of a state. Each wait registers
its socket and unregisters it: two system calls that step 08 makes once a connection.

To stay short it leaves out what later steps add: deadlines, limits, `100 Continue`, the
lingering close of step 09, and workers. One slow handler still stops everybody.

See it work, where step 08 stops:
    python -m steps.step15.by_hand
    python -m lab silent http://127.0.0.1:8000/bytes/10000000 --connections 1 --unread &
    python -m lab probe http://127.0.0.1:8000 --requests 3
"""

import collections.abc
import contextlib
import selectors
import socket
from collections.abc import Generator
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, TypeVar

from steps.app import Application, answer
from steps.command import main
from steps.http11 import BadRequest, Gatherer, Request, Response
from steps.step01.connection import RECEIVE_BYTES
from steps.step01.stop_event import StopEvent
from steps.step08.server import Stats

T = TypeVar("T")
# A generator that yields what it waits for, and in the end returns a T.
Coroutine = Generator["Future", None, T]
# Python's own coroutines have send() and close() as well, and a task needs no more.
AnyCoroutine = Coroutine[object] | collections.abc.Coroutine[Any, None, object]


# [future]
class Future:
    """Something that has not happened yet, and the task that waits for it."""

    task: "Task"

    def __iter__(self) -> Coroutine[None]:
        yield self  # up through every `yield from`, to the task

    __await__ = __iter__

    def set_result(self) -> None:
        self.task.step()


# [/future]


# [task]
class Task:
    """Runs a coroutine up to the next future, and on from there when that is done."""

    def __init__(self, coroutine: AnyCoroutine) -> None:
        self._coroutine = coroutine
        self.is_done = False
        self.step()

    def step(self) -> None:
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            self.is_done = True  # the coroutine has returned
        else:
            future.task = self

    def cancel(self) -> None:
        """End the coroutine where it stands. Its `with` closes the socket."""
        self._coroutine.close()


# [/task]


# [loop]
class Loop:
    """Step 08's loop. It knows neither requests nor connections, only futures."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def ready(self, sock: socket.socket | StopEvent, event: int) -> Future:
        """A future that is done as soon as the socket can be read, or written to."""
        future = Future()
        self._selector.register(sock, event, future)
        return future

    def run(self, coroutine: AnyCoroutine) -> None:
        """Run until this coroutine has returned, and then cancel what still waits."""
        try:
            task = Task(coroutine)
            while not task.is_done:
                for key, _ in self._selector.select():
                    self._selector.unregister(key.fileobj)
                    key.data.set_result()
        finally:
            for key in list(self._selector.get_map().values()):
                key.data.task.cancel()
            self._selector.close()


# [/loop]


# [waits]
def receive(
    loop: Loop, sock: socket.socket, requests: Gatherer
) -> Coroutine[Request | None]:
    """Wait until a whole request has come; None if the client goes."""
    while (request := requests.next_request()) is None:
        yield from loop.ready(sock, EVENT_READ)
        with contextlib.suppress(BlockingIOError):  # it was ready, and no longer is
            data = sock.recv(RECEIVE_BYTES)
            if not data:
                return None
            requests.feed(data)
    return request


def send_all(loop: Loop, sock: socket.socket, data: bytes) -> Coroutine[None]:
    """Wait until the kernel has taken everything."""
    unsent = memoryview(data)
    while True:
        with contextlib.suppress(BlockingIOError):  # it has no room at all
            unsent = unsent[sock.send(unsent) :]
        if not unsent:
            return
        yield from loop.ready(sock, EVENT_WRITE)


# [/waits]


# [serve]
def serve(loop: Loop, sock: socket.socket, app: Application) -> Coroutine[None]:
    """One client, from its first request to its last."""
    requests = Gatherer()
    with sock, contextlib.suppress(OSError):  # the client has gone
        try:
            while (request := (yield from receive(loop, sock, requests))) is not None:
                keep = request.keep_alive
                data = answer(app, request).encode(request, keep)
                yield from send_all(loop, sock, data)
                if not keep:
                    return
        except BadRequest as error:
            response = Response(error.status, error.reason.encode())
            yield from send_all(loop, sock, response.encode(None, keep_alive=False))


# [/serve]


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end. `workers` is not used: the loop does it all.
    """

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 0
    ) -> None:
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # see step 09
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._stop = StopEvent()
        self._loop = Loop()

    # [server]
    def run(self) -> None:
        try:
            self._loop.run(self._until_stopped())
        finally:
            self._listener.close()
            self._stop.close()

    def _until_stopped(self) -> Coroutine[None]:
        Task(self._accept())
        yield from self._loop.ready(self._stop, EVENT_READ)

    def _accept(self) -> Coroutine[None]:
        while True:
            yield from self._loop.ready(self._listener, EVENT_READ)
            try:
                sock, _ = self._listener.accept()
            except OSError:
                continue  # the client has gone already, or descriptors have run out
            sock.setblocking(False)
            self.stats.accepted += 1
            Task(self._serve(sock))

    def _serve(self, sock: socket.socket) -> AnyCoroutine:
        return serve(self._loop, sock, self._app)

    # [/server]

    def stop(self) -> None:
        self._stop.set()


if __name__ == "__main__":
    main("step15.by_hand", Server)
