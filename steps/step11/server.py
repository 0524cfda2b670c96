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

# In bytes a second. For so many bytes, a body that comes, or an answer that is read, is
# given a second more: whoever is as quick as that is never late.
LEAST_RATE = 1000
# How much of an answer the kernel takes before it can send it. Without a bound it takes
# megabytes at once, and then nothing for minutes, although a slow client reads all the
# time: the server would take that client for one that does not read.
MAX_NOT_SENT_BYTES = 65_536
# The loop closes no more late connections than this before it serves the others.
MAX_EXPIRED = 64
# For so many seconds, what comes after the last answer is read and thrown away.
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
        self._now = clock()  # when this round began
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
                # The client has sent more while a handler has its request. That is not
                # read yet, so the socket would be ready in every round (see step 10).
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
            if connection.state is OPEN:  # else it was closed, or the handler was late
                connection.answer(request, response)
                self._advance(connection)
        while self._held and not self._pool.is_full:
            connection = self._held.popleft()
            if connection.state is OPEN:  # else its time was up meanwhile
                self._resume(connection)

    def _resume(self, connection: Connection) -> None:
        """Read a connection that was held: the pool has room again (see step 10)."""
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
                connection.phase = None  # the next one has its own time
                if self._in_loop:
                    connection.answer(request, answer(self._app, request))
                    self._now = self._clock()  # the handler's time is not the client's
                else:
                    connection.busy = True
                    pool.submit(connection, request)
            # With more unsent, a request may wait in the buffer. Were all of it sent
            # now, no event would remind us of that request (see step 09).
            if connection.unsent <= connection.max_buffered:
                connection.flush()
        except OSError:
            self._drop(connection)
            return
        interest, phase = connection.interest, connection.phase_now()
        if phase is Phase.HANDLER:
            pass  # nothing is to be done before its answer comes
        elif (
            pool.is_full
            and connection.state is OPEN
            and interest == selectors.EVENT_READ
        ):
            self._held.append(connection)
            self.stats.held += 1
            self._watch(connection, 0)
            phase = Phase.HANDLER  # it waits until the workers have room
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
        """Set it when a phase begins. Another byte in the same phase earns no time."""
        if phase is not connection.phase:
            connection.phase = phase
            connection.moved_before = connection.moved
            self._deadlines.set(connection, self._now + self._allowed_s[phase])

    def _expire(self, looked: float) -> None:
        """Deal with those whose time was over at `looked`.

        The selector was asked after that, so whatever came in time has been found by it
        and served. Measured by the clock of now, a client could be late whose bytes are
        here: they came while a handler ran in the loop, or while the whole process was
        stopped, and nobody has looked for them yet.
        """
        for connection in islice(self._deadlines.pop_expired(looked), MAX_EXPIRED):
            phase = connection.phase
            if phase is Phase.BODY or phase is Phase.WRITE:
                earned_s = (connection.moved - connection.moved_before) / LEAST_RATE
                # At most as long again: for a client that reads nothing, the kernel may
                # take a megabyte, which would be good for a quarter of an hour.
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
                # Its worker goes on, and _deliver() will throw the result away.
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
