"""Workers again: handlers run in a pool of threads, and the loop alone owns sockets.

What it does: a request goes to the workers through a bounded queue, and its response
comes back to the loop, which sends it. A slow handler occupies one worker. The loop is
woken by a byte in a pipe, which is written only when the loop sleeps.

What it costs: two hand-overs for each request, and the threads share one GIL with the
loop. Where handlers do not wait, `--workers 0`, which runs them in the loop, is faster.

See it work, where step 09 stops:
    python -m steps.step10
    python -m lab probe http://127.0.0.1:8000/sleep/2000 &
    python -m lab probe http://127.0.0.1:8000 --requests 3
"""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from steps.app import Application, answer
from steps.http11 import Reader, Request, Response
from steps.step01.stop_event import StopEvent
from steps.step09.connection import OPEN
from steps.step09.server import MAX_ACCEPTS, MAX_BUFFERED_BYTES
from steps.step10.connection import (
    FOR_ANSWER,
    FOR_PLACE,
    INTEREST,
    NOTHING,
    TO_RECEIVE,
    Connection,
    Wait,
)
from steps.step10.workers import WorkerPool

# When so many requests are with the workers, or queue for them, no more are read.
QUEUE_CAPACITY = 1000


@dataclass
class Stats:
    accepted: int = 0
    closed: int = 0
    held: int = 0


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Reactor(Generic[AnyConnection]):
    """The loop, for connections of this step's kind, or of a later one's.

    `run()` closes the listener at its end. connect: makes a connection of an accepted
    socket.
    """

    def __init__(
        self,
        listener: socket.socket,
        pool: WorkerPool[AnyConnection, Any],
        connect: Callable[[socket.socket, Reader], AnyConnection],
        reader: Reader,
    ) -> None:
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stats = Stats()
        self._listener = listener
        self._pool = pool
        self._connect = connect
        self._reader = reader
        self._stop = StopEvent()
        self._selector = selectors.DefaultSelector()
        self._connections: set[AnyConnection] = set()
        # Those that are not read until the pool has room, the longest waiting first. In
        # a dict, one that is closed meanwhile can be taken out at once.
        self._held: dict[AnyConnection, None] = {}

    def run(self) -> None:
        for readable in (self._stop, self._listener, self._pool.wake_pipe):
            self._selector.register(readable, selectors.EVENT_READ)
        try:
            while not self._stop.is_set:
                self._round()
        finally:
            self._close()

    # [round]
    def _round(self) -> None:
        timeout = None if self._pool.may_sleep() else 0
        for key, _ in self._selector.select(timeout):
            if key.data is not None:
                self._ready(key.data)
            else:
                self._attend(key.fileobj)
        self._deliver()
        self._pool.hand_over()

    # [/round]

    def _attend(self, readable: object) -> None:
        """What is ready, and is no connection."""
        if readable is self._listener:
            self._accept()
        elif readable is self._pool.wake_pipe:
            self._pool.wake_pipe.drain()

    # [ready]
    def _ready(self, connection: AnyConnection) -> None:
        """The selector says that its client has sent, or has read."""
        if not connection.unsent:  # else it is ready to be written
            if connection.busy:
                self._ready_while_busy(connection)
                return
            if not self._pool.is_full and not self._receive(connection):
                return
        self._advance(connection)

    def _ready_while_busy(self, connection: AnyConnection) -> None:
        """The client has sent more while a handler has its request. That is not read
        yet, so the socket would be ready in every round: do not watch it until the
        answer is there."""
        self._watch(connection, 0)

    # [/ready]

    def _receive(self, connection: AnyConnection) -> bool:
        """Read once. False: the client has gone."""
        try:
            connection.receive()
        except OSError:
            self._drop(connection)
            return False
        return True

    # [deliver]
    def _deliver(self) -> None:
        """Send what the workers have answered."""
        for connection, request, response in self._pool.results():
            if connection.state is OPEN:  # else it was closed while the handler ran
                self._answered(connection, request, response)
                self._advance(connection)
        # Those that are held are read one after another, until the pool is full. If
        # they were watched again instead, the selector would find all of them ready at
        # once, and all but a few would be held anew.
        while self._held and not self._pool.is_full:
            connection = next(iter(self._held))
            del self._held[connection]
            # A request that is here already is to be taken first: else the buffer would
            # grow with each call.
            if connection.has_input or self._receive(connection):
                self._advance(connection)

    # [/deliver]

    # [advance]
    def _advance(self, connection: AnyConnection) -> None:
        """Send what can be sent, take the requests that may be taken, and wait."""
        try:
            connection.flush()
            # If the kernel is full, we hear of it when there is room.
            while connection.has_input and not connection.unsent:
                self._take(connection)
                if not connection.unsent:
                    break  # no request is whole, or none is answered yet
                connection.flush()
            self._wait(connection)
        except OSError:  # the client has gone, or nothing more can be watched
            self._drop(connection)

    # [/advance]

    # [take]
    def _take(self, connection: AnyConnection) -> None:
        """Answer the requests that have come, or have the workers do it: one at a time,
        so that the answers keep the order of the requests."""
        while (
            connection.has_input
            and not connection.busy
            and not self._pool.is_full
            and connection.unsent <= MAX_BUFFERED_BYTES
        ):
            request = connection.next_request()
            if request is None:
                break
            self._handle(connection, request)

    def _handle(self, connection: AnyConnection, request: Request) -> None:
        connection.busy = True
        if self._pool.count:
            self._pool.submit(connection, request)
        else:
            response = self._pool.handle(connection, request)
            self._answered(connection, request, response)

    def _answered(
        self, connection: AnyConnection, request: Request, response: Any
    ) -> None:
        """response: what the pool's handle has made of the request."""
        connection.busy = False
        connection.answer(request, response)

    # [/take]

    # [wait]
    def _wait(self, connection: AnyConnection) -> Wait:
        """Do what follows from what it waits for."""
        wait = connection.waits_for(self._pool.is_full)
        if wait is TO_RECEIVE and connection.watched == selectors.EVENT_READ:
            return wait  # as most do, and the selector knows it already
        if wait is NOTHING:
            self._drop(connection)
            return wait
        if wait is FOR_PLACE and connection not in self._held:
            self._held[connection] = None
            self.stats.held += 1
        if wait is not FOR_ANSWER and INTEREST[wait] != connection.watched:
            self._watch(connection, INTEREST[wait])
        return wait

    # [/wait]

    def _watch(self, connection: AnyConnection, interest: int) -> None:
        if interest == connection.watched:
            return
        if not interest:
            self._selector.unregister(connection.sock)
        elif not connection.watched:
            self._selector.register(connection.sock, interest, connection)
        else:
            self._selector.modify(connection.sock, interest, connection)
        connection.watched = interest

    def _drop(self, connection: AnyConnection) -> None:
        self._watch(connection, 0)
        self._held.pop(connection, None)
        self._connections.discard(connection)
        connection.close()
        self.stats.closed += 1

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # all are accepted, or descriptors have run out
            self._add(sock)

    def _add(self, sock: socket.socket) -> None:
        self.stats.accepted += 1
        connection = self._connect(sock, self._reader)
        self._connections.add(connection)
        self._advance(connection)

    def stop(self) -> None:
        self._stop.set()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._selector.close()
        self._listener.close()
        self._stop.close()
        self._pool.stop()


def native_pool(workers: int, app: Application) -> WorkerPool[AnyConnection, Response]:
    """Threads that run the handlers of an application of the steps' own kind."""

    def handle(_: AnyConnection, request: Request) -> Response:
        return answer(app, request)

    return WorkerPool(workers, QUEUE_CAPACITY, handle)


class Server(Reactor[Connection]):
    """Serve `app` to the clients of a listening socket until `stop()`.

    workers: threads for handlers; 0: they run in the loop.
    """

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 4
    ) -> None:
        super().__init__(listener, native_pool(workers, app), Connection, Reader())
