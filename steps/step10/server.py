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
from collections import deque
from dataclasses import dataclass

from steps.app import Application, answer
from steps.step01.stop_event import StopEvent
from steps.step09.connection import OPEN
from steps.step10.connection import Connection
from steps.step10.workers import WorkerPool

# The loop accepts at most so many clients at a time, and then serves those that it has:
# a flood of new ones must not keep them waiting.
MAX_ACCEPTS = 64
# When so many requests are with the workers, or queue for them, no more are read.
QUEUE_CAPACITY = 1000


@dataclass
class Stats:
    accepted: int = 0
    closed: int = 0
    held: int = 0


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end. workers: threads for handlers; 0: no thread.
    """

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 4
    ) -> None:
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._stop = StopEvent()
        self._selector = selectors.DefaultSelector()
        self._pool = WorkerPool[Connection](workers, QUEUE_CAPACITY, app)
        self._in_loop = workers == 0
        self._connections: set[Connection] = set()
        self._held: deque[Connection] = deque()  # not read until the pool has room

    # [round]
    def run(self) -> None:
        for readable in (self._stop, self._listener, self._pool.wake_pipe):
            self._selector.register(readable, selectors.EVENT_READ)
        try:
            while not self._stop.is_set:
                timeout = self._timeout() if self._pool.may_sleep() else 0
                for key, _ in self._selector.select(timeout):
                    if key.data is not None:
                        self._ready(key.data)
                    elif key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._pool.wake_pipe:
                        self._pool.wake_pipe.drain()
                self._deliver()
                self._pool.hand_over()
        finally:
            self._close()

    # [/round]

    def _timeout(self) -> float | None:
        """How long to sleep if nothing is ready, in seconds; None: for ever."""
        return None

    def _ready(self, connection: Connection) -> None:
        """The selector says that its client has sent, or has read."""
        try:
            if connection.unsent:
                connection.flush()
            elif connection.busy:
                # The client has sent more while a handler has its request. That is not
                # read yet, so the socket would be ready in every round: do not watch it
                # until the answer is there. Most clients send nothing meanwhile, so it
                # would not pay to tell the selector whenever a handler begins.
                self._watch(connection, 0)
                return
            elif not self._pool.is_full:
                connection.receive()
        except OSError:
            self._drop(connection)
        else:
            self._advance(connection)

    # [deliver]
    def _deliver(self) -> None:
        """Send what the workers have answered."""
        for connection, request, response in self._pool.results():
            connection.busy = False
            if connection.state is OPEN:  # else it was closed while the handler ran
                connection.answer(request, response)
                self._advance(connection)
        while self._held and not self._pool.is_full:
            self._resume(self._held.popleft())

    def _resume(self, connection: Connection) -> None:
        """Read a connection that was held: the pool has room again.

        Those that are held are read one after another, until the pool is full. If they
        were watched again instead, the selector would find all of them ready at once,
        and all but a few would be held anew.
        """
        try:
            connection.receive_next()
        except OSError:
            self._drop(connection)
        else:
            self._advance(connection)

    # [/deliver]

    def _advance(self, connection: Connection) -> None:
        """Take the requests that may be taken, and send what can be sent."""
        pool = self._pool
        try:
            # [take]
            while not connection.busy and not pool.is_full:
                request = connection.next_request()
                if request is None:
                    break
                if self._in_loop:
                    connection.answer(request, answer(self._app, request))
                else:
                    connection.busy = True
                    pool.submit(connection, request)
            # [/take]
            # With more unsent, a request may wait in the buffer. Were all of it sent
            # now, no event would remind us of that request (see step 09).
            if connection.unsent <= connection.max_buffered:
                connection.flush()
        except OSError:
            self._drop(connection)
            return
        if connection.busy and not connection.unsent:
            return  # nothing is to be done before its answer comes
        interest = connection.interest
        if pool.is_full and interest == selectors.EVENT_READ:
            self._held.append(connection)
            self.stats.held += 1
            self._watch(connection, 0)
        elif interest:
            self._watch(connection, interest)
        else:
            self._drop(connection)

    def _watch(self, connection: Connection, interest: int) -> None:
        if interest == connection.watched:
            return
        if not interest:
            self._selector.unregister(connection.sock)
        elif not connection.watched:
            self._selector.register(connection.sock, interest, connection)
        else:
            self._selector.modify(connection.sock, interest, connection)
        connection.watched = interest

    def _drop(self, connection: Connection) -> None:
        self._watch(connection, 0)
        connection.close()
        self._connections.discard(connection)
        self.stats.closed += 1

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # all are accepted, or descriptors have run out
            self.stats.accepted += 1
            connection = self._connection(sock)
            self._connections.add(connection)
            self._advance(connection)

    def _connection(self, sock: socket.socket) -> Connection:
        return Connection(sock)

    def stop(self) -> None:
        self._stop.set()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._selector.close()
        self._listener.close()
        self._stop.close()
        self._pool.stop()
