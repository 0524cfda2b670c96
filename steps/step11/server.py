"""Deadlines: nobody may keep a connection waiting for ever.

What it does: whatever a connection waits for has to happen in time: a request's head,
its body, the next request, the handler, the reading of the answer. One more byte does
not earn more time. A slow request is told so with a 408; a client that has sent
nothing is not told anything.

What it costs: one entry in one bucket for each connection, and a look at the clock in
each round. A handler that is given up goes on in its worker: a thread cannot be ended.

See it work:
    python -m steps.step11 --header-timeout 1 --idle-timeout 2
    python -m lab silent http://127.0.0.1:8000 --connections 1 --half    # told so: 408
    python -m lab silent http://127.0.0.1:8000 --connections 1           # not a word
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from steps.app import Application, answer
from steps.http11 import BadRequest
from steps.step01.stop_event import StopEvent
from steps.step09.connection import OPEN
from steps.step10.server import MAX_ACCEPTS, QUEUE_CAPACITY
from steps.step10.workers import WorkerPool
from steps.step11.connection import Connection, Phase
from steps.step11.deadlines import NEVER, TICK_S, Deadlines, Timeouts

# Bytes for which a body, or the reading of an answer, is given a second more.
LEAST_RATE = 1000
# What the kernel takes of an answer before the client has room for it. Without a bound,
# megabytes go at once, and then it is minutes before a slow client is seen to read.
MAX_NOT_SENT_BYTES = 65_536
# The loop closes no more late connections than this before it serves the others.
MAX_EXPIRED = 64
# How long what comes after the last answer is thrown away, in seconds.
LINGER_TIMEOUT_S = 2.0


@dataclass
class Stats:
    accepted: int = 0
    closed: int = 0
    held: int = 0
    expired: int = 0


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end. workers: threads for handlers; 0: no thread.
    clock: seconds that never go back; a test turns it by hand.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Timeouts = Timeouts(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_NOT_SENT_BYTES
        )
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._stop = StopEvent()
        self._selector = selectors.DefaultSelector()
        self._pool = WorkerPool[Connection](workers, QUEUE_CAPACITY, app)
        self._in_loop = workers == 0
        self._connections: set[Connection] = set()
        self._held: deque[Connection] = deque()  # not read until the pool has room
        self._clock = clock
        self._now = clock()  # in this round
        self._deadlines = Deadlines[Connection]()
        self._allowed_s = {
            Phase.IDLE: settings.idle_timeout,
            Phase.HEADER: settings.header_timeout,
            Phase.BODY: settings.body_timeout,
            Phase.HANDLER: settings.handler_timeout,
            Phase.WRITE: settings.write_timeout,
            Phase.LINGER: LINGER_TIMEOUT_S,
        }

    # [loop]
    def run(self) -> None:
        for readable in (self._stop, self._listener, self._pool.wake_pipe):
            self._selector.register(readable, selectors.EVENT_READ)
        try:
            while not self._stop.is_set:
                looked = self._clock()
                timeout = self._timeout(looked) if self._pool.may_sleep() else 0
                ready = self._selector.select(timeout)
                self._now = self._clock()
                for key, _ in ready:
                    if key.data is not None:
                        self._ready(key.data)
                    elif key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._pool.wake_pipe:
                        self._pool.wake_pipe.drain()
                self._deliver()
                self._expire(looked)
                self._pool.hand_over()
        finally:
            self._close()

    def _timeout(self, now: float) -> float | None:
        """How long to sleep if nothing is ready, in seconds; None: for ever."""
        next_look = self._deadlines.next_look
        return None if next_look == NEVER else max(0, next_look - now)

    def _ready(self, connection: Connection) -> None:
        """The selector says that its client has sent, or has read."""
        try:
            if connection.unsent:
                connection.flush()
            elif connection.busy:
                # It would be ready in every round until the handler is done. Most
                # clients wait for their answer, so nothing was said to the selector
                # when the handler began.
                self._watch(connection, 0)
                return
            elif not self._pool.is_full:
                connection.receive()
        except OSError:
            self._drop(connection)
        else:
            self._advance(connection)

    def _deliver(self) -> None:
        """Send what the workers have answered."""
        for connection, request, response in self._pool.results():
            connection.busy = False
            if connection.state is OPEN:  # else the client is not waiting any more
                connection.answer(request, response)
                self._advance(connection)
        while self._held and not self._pool.is_full:
            connection = self._held.popleft()
            if connection.state is OPEN:  # else its time was up
                self._resume(connection)

    def _resume(self, connection: Connection) -> None:
        """It was held, and there is room. It is read here, one after another: were the
        selector asked, all would be ready at once, and all but a few be held again."""
        try:
            connection.receive_next()
        except OSError:
            self._drop(connection)
        else:
            self._advance(connection)

    # [/loop]

    # [advance]
    def _advance(self, connection: Connection) -> None:
        """Take the requests that may be taken, and send what can be sent."""
        pool = self._pool
        try:
            while not connection.busy and not pool.is_full:
                request = connection.next_request()
                if request is None:
                    break
                connection.phase = None  # what follows is another request's
                if self._in_loop:
                    connection.answer(request, answer(self._app, request))
                    self._now = self._clock()  # what that took is not the client's
                else:
                    connection.busy = True
                    pool.submit(connection, request)
            if connection.unsent <= connection.max_buffered:  # see step 09
                connection.flush()
        except OSError:
            self._drop(connection)
            return
        interest, phase = connection.interest, connection.phase_now()
        if phase is Phase.HANDLER:
            pass  # its answer is what happens next
        elif (
            pool.is_full
            and connection.state is OPEN
            and interest == selectors.EVENT_READ
        ):
            self._held.append(connection)
            self.stats.held += 1
            self._watch(connection, 0)
            phase = Phase.HANDLER
        elif interest:
            self._watch(connection, interest)
        else:
            self._drop(connection)
            return
        self._set_deadline(connection, phase)

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

    # [/advance]

    # [expire]
    def _set_deadline(self, connection: Connection, phase: Phase) -> None:
        """When a phase begins; not when there is another byte in the same phase."""
        if phase is not connection.phase:
            connection.phase = phase
            connection.moved_before = connection.moved
            self._deadlines.set(connection, self._now + self._allowed_s[phase])

    def _expire(self, looked: float) -> None:
        """Late is whose time was over when the selector was asked, at `looked`, and who
        was not ready even so. What came in time may have had to wait: for a handler in
        the loop, or while the process was stopped."""
        for connection in islice(self._deadlines.pop_expired(looked), MAX_EXPIRED):
            phase = connection.phase
            if phase is Phase.BODY or phase is Phase.WRITE:
                earned_s = (connection.moved - connection.moved_before) / LEAST_RATE
                # Not more: a kernel that takes a megabyte for a client that reads
                # nothing would earn it a quarter of an hour.
                earned_s = min(earned_s, self._allowed_s[phase])
                if earned_s > TICK_S:
                    connection.moved_before = connection.moved
                    self._deadlines.set(connection, connection.deadline + earned_s)
                    continue
            self.stats.expired += 1
            if phase is Phase.HEADER or phase is Phase.BODY:
                connection.refuse(BadRequest(408, f"the {phase.name.lower()} is late"))
                self._advance(connection)
            elif phase is Phase.HANDLER:
                # Its worker goes on; nobody will want the result.
                connection.busy = False
                connection.refuse(BadRequest(503, "the handler is late"))
                self._advance(connection)
            else:
                self._drop(connection)

    # [/expire]

    def _drop(self, connection: Connection) -> None:
        self._deadlines.cancel(connection)
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
