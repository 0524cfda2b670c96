"""A server to keep: limits, overload, a drain, an access log, any WSGI application.

What it does: everything that a client or an operator can do to it has a bound. When
connections or descriptors run out, it waits for some to be free, and neither spins nor
ends. On SIGTERM it finishes what has begun, says `Connection: close`, and goes.

What it costs: settings. Each has a default, and each default is a guess about clients
that nobody has met.

See it work:
    python -m steps.step12 --max-connections 2 --idle-timeout 2
    python -m lab silent http://127.0.0.1:8000 --connections 2 &
    python -m lab probe http://127.0.0.1:8000             # waits until there is room
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from steps.app import Application, answer
from steps.http11 import BadRequest, Gatherer, Request
from steps.step01.stop_event import StopEvent
from steps.step09.connection import DONE, LAST, MAX_JOINED_BYTES, OPEN
from steps.step10.server import QUEUE_CAPACITY
from steps.step11.connection import BODY, HANDLER, HEADER, IDLE, LINGER, WRITE, Phase
from steps.step11.deadlines import NEVER, TICK_S, Deadlines
from steps.step11.server import LEAST_RATE, LINGER_TIMEOUT_S, MAX_EXPIRED
from steps.step12.acceptor import Acceptor
from steps.step12.access_log import AccessLog
from steps.step12.body import SpoolingGatherer
from steps.step12.connection import Answer, Connection, rest
from steps.step12.settings import Settings
from steps.step12.workers import Gone, WorkerPool
from steps.step12.wsgi import Gateway, load

# How long a client that is idle when a drain begins is kept: it may have sent a request
# that is still on its way.
DRAIN_IDLE_S = 0.5
# Answers are sent together, at the end of a round or when there are so many. Else the
# first would wait until all are made, where handlers run in the loop.
MAX_BATCH = 64


@dataclass
class Stats:
    accepted: int = 0
    open: int = 0
    requests: int = 0
    held: int = 0
    expired: int = 0


class Server:
    """Serve `app`, or a WSGI application, to the clients of a listening socket.

    `stop()` begins a drain: `run()` returns when what has begun is done, or after
    `settings.grace` seconds. It closes the listener.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Settings = Settings(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ValueError for settings that make no sense."""
        handle: Callable[[Connection, Request], Answer]
        if settings.wsgi:
            host, port = listener.getsockname()[:2]
            send = self._send_in_worker if workers else self._send_in_loop
            handle = Gateway(load(settings.wsgi), (host, port), workers > 1, send)
        else:
            handle = native(app)
        self.stats = Stats()
        self._settings = settings
        self._clock = clock
        self._now = clock()  # when this round began
        self._stop = StopEvent()
        self._is_draining = False
        self._drain_ends = NEVER
        self._selector = selectors.DefaultSelector()
        self._acceptor = Acceptor(listener, self._selector)
        self._connections: set[Connection] = set()
        self._handle = handle
        self._pool = WorkerPool(workers, QUEUE_CAPACITY, handle)
        self._in_loop = workers == 0
        self._max_requests = settings.max_requests  # on one connection
        self._advanced: list[Connection] = []  # for which _settle() has to be called
        self._held: deque[Connection] = deque()  # not read until the pool has room
        self._log = AccessLog() if settings.access_log else None
        self._limits = settings.limits
        self._deadlines = Deadlines[Connection]()
        self._allowed_s = {
            phase: getattr(settings, f"{phase.name.lower()}_timeout", LINGER_TIMEOUT_S)
            for phase in Phase
        }

    # [loop]
    def run(self) -> None:
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._selector.register(self._pool.wake_pipe, selectors.EVENT_READ)
        try:
            while not self._is_drained():
                self._acceptor.watch(self._can_accept())
                looked = self._clock()
                timeout = self._timeout(looked) if self._pool.may_sleep() else 0
                ready = self._selector.select(timeout)
                self._now = self._clock()
                for key, _ in ready:
                    owner = key.data
                    if type(owner) is Connection:
                        self._ready(owner)
                    elif owner is self._acceptor:
                        self._accept()
                    elif key.fileobj is self._stop:
                        self._begin_drain()
                    else:
                        self._pool.wake_pipe.drain()
                    if len(self._advanced) >= MAX_BATCH:
                        self._settle_all()
                self._deliver()
                self._settle_all()
                self._expire(looked)
                self._pool.hand_over()
        finally:
            self._close()

    def _timeout(self, now: float) -> float | None:
        """How long to sleep if nothing is ready, in seconds; None: for ever."""
        next_look = min(self._deadlines.next_look, self._drain_ends)
        if self._now < self._acceptor.paused_until:
            next_look = min(next_look, self._acceptor.paused_until)
        return None if next_look == NEVER else max(0, next_look - now)

    def _ready(self, connection: Connection) -> None:
        """The selector says that its client has sent, or has read."""
        try:
            if connection.unsent:
                connection.flush()
            elif connection.stream is not None:
                self._answered(connection, *connection.pull())
            elif connection.busy:
                self._watch(connection, 0)  # or it would be ready in every round
                return
            elif not self._pool.is_full:
                connection.receive()
        except OSError:
            self._drop(connection)
        else:
            self._advance(connection)

    def _deliver(self) -> None:
        """Send what the workers have answered."""
        for connection, data, keep in self._pool.results():
            if connection.state is not OPEN:
                continue  # it was closed, or the handler was late
            self._answered(connection, data, keep)
            self._advance(connection)
        while self._held and not self._pool.is_full:
            connection = self._held.popleft()
            if connection.state is OPEN:
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
        """Take the requests that may be taken. `_settle()` sends the answers."""
        try:
            while connection.requests.buffer and not connection.busy:
                if self._pool.is_full or not (request := connection.next_request()):
                    break
                self._take(connection, request)
        except OSError:
            self._drop(connection)
            return
        waits = connection.busy and connection.phase is HANDLER  # for a worker
        if not waits or connection.unsent:
            self._advanced.append(connection)

    def _settle_all(self) -> None:
        """Send the answers of this round, one right after another.

        A `send()` takes longer if it has to wake a process that waits for it. Where one
        process on this machine has many of the clients, the first answer wakes it, and
        the others find it awake. That makes a quarter more requests a second.
        """
        self._now = self._clock()  # the handlers' time is not their clients'
        for connection in self._advanced:
            if connection in self._connections:  # it has not been dropped since
                self._settle(connection)
        self._advanced.clear()

    def _settle(self, connection: Connection) -> None:
        """Send what can be sent, and decide what to wait for."""
        try:
            # Else a request may wait in the buffer behind too much that is unsent. Were
            # all of that sent now, no event would remind us of it (see step 09).
            if (
                not connection.requests.buffer
                or connection.unsent <= connection.max_buffered
            ):
                connection.flush()
        except OSError:
            self._drop(connection)
            return
        phase = connection.phase_now()
        if phase is WRITE or (phase is HANDLER and connection.stream is not None):
            interest = selectors.EVENT_WRITE
        elif phase is HANDLER:
            interest = connection.watched  # as it is, until the answer comes
        elif connection.ended or connection.state is DONE:
            self._drop(connection)
            return
        elif self._pool.is_full and phase is not LINGER:
            self._held.append(connection)
            self.stats.held += 1
            interest, phase = 0, HANDLER  # until the workers have room
        else:
            interest = selectors.EVENT_READ
        if interest != connection.watched:
            self._watch(connection, interest)
        # Set it when a phase begins. Another byte in the same phase earns no time.
        if phase is not connection.phase:
            connection.phase = phase
            connection.moved_before = connection.moved
            self._deadlines.set(connection, self._now + self._allowed_s[phase])
        if connection.room is not None and connection.unsent <= connection.max_buffered:
            connection.make_room()

    def _take(self, connection: Connection, request: Request) -> None:
        connection.request = request
        connection.busy = True
        connection.taken += 1
        self.stats.requests += 1
        if connection.taken >= self._max_requests:
            connection.close_after(request)
        if self._in_loop:
            data, keep, connection.stream = self._handle(connection, request)
            self._answered(connection, data, keep)
        else:
            self._pool.submit(connection, request)
            connection.phase = HANDLER
            self._deadlines.set(connection, self._now + self._allowed_s[HANDLER])

    def _answered(self, connection: Connection, data: bytes, keep: bool | None) -> None:
        """Add bytes of an answer to what is to be sent. keep: None if they are not the
        last of it; else whether the connection can be kept."""
        connection.phase = None  # what follows has its own time
        if data:
            connection.send(data)
        if self._log is not None:
            self._log.count(connection, data, keep is not None)
        if keep is not None:
            connection.request = connection.room = None
            connection.busy = False
            if not keep:
                connection.state = LAST

    # [/advance]

    def _send_in_loop(self, connection: Connection, data: bytes) -> None:
        """What `write()` does where there are no workers. The loop cannot wait for the
        client, so what the kernel does not take at once is kept in memory."""
        self._answered(connection, data, None)
        try:
            connection.flush()
        except OSError:
            raise Gone from None

    def _send_in_worker(self, connection: Connection, data: bytes) -> None:
        self._pool.send(connection, data)

    def _watch(self, connection: Connection, interest: int) -> None:
        if not interest:
            self._selector.unregister(connection.sock)
        elif not connection.watched:
            self._selector.register(connection.sock, interest, connection)
        else:
            self._selector.modify(connection.sock, interest, connection)
        connection.watched = interest

    # [expire]
    def _expire(self, looked: float) -> None:
        """Deal with those whose time was over at `looked`, as in step 11. An answer
        that has begun cannot become a 503 any more, so it is broken off."""
        for connection in islice(self._deadlines.pop_expired(looked), MAX_EXPIRED):
            phase = connection.phase
            if phase is BODY or phase is WRITE:
                earned_s = (connection.moved - connection.moved_before) / LEAST_RATE
                earned_s = min(earned_s, self._allowed_s[phase])  # see step 11
                if earned_s > TICK_S:
                    connection.moved_before = connection.moved
                    self._deadlines.set(connection, connection.deadline + earned_s)
                    continue
            self.stats.expired += 1
            if phase is HEADER or phase is BODY:
                connection.refuse(BadRequest(408, f"the {phase.name.lower()} is late"))
                self._settle(connection)
            elif phase is HANDLER and not connection.begun:
                # Its worker goes on, and _deliver() will throw the result away.
                connection.busy = False
                connection.refuse(BadRequest(503, "the handler is late"))
                self._settle(connection)
            else:
                self._drop(connection)

    # [/expire]

    # [accept]
    def _can_accept(self) -> bool:
        """Whether to watch the listener. Decided here alone, and in each round."""
        return (
            not self._is_draining
            and len(self._connections) < self._settings.max_connections
            and self._now >= self._acceptor.paused_until
        )

    def _accept(self) -> int:
        free = self._settings.max_connections - len(self._connections)
        count = 0
        for sock in self._acceptor.accept(self._now, free):
            count += 1
            connection = Connection(sock, self._new_gatherer)
            connection.max_buffered = self._settings.max_buffered_bytes
            self._connections.add(connection)
            self._advance(connection)
        self.stats.accepted += count
        self.stats.open = len(self._connections)
        return count

    def _new_gatherer(self) -> Gatherer:
        if self._settings.wsgi:
            return SpoolingGatherer(self._limits)
        return Gatherer(self._limits)

    def _drop(self, connection: Connection) -> None:
        self._deadlines.cancel(connection)
        if connection.watched:
            self._watch(connection, 0)
        self._connections.discard(connection)
        self.stats.open = len(self._connections)
        connection.close()
        self._acceptor.paused_until = 0.0  # there is a descriptor again

    # [/accept]

    # [drain]
    def stop(self) -> None:
        self._stop.set()

    def say_close(self) -> None:
        """From now on each answer is the last of its connection. From any thread."""
        self._max_requests = 0

    def _begin_drain(self) -> None:
        """No new connections; what has begun is finished, and then it is over."""
        self._selector.unregister(self._stop)
        while self._accept():  # to close the listener would reset those that wait
            pass
        self._acceptor.close()
        self._is_draining = True
        self.say_close()
        self._drain_ends = self._now + self._settings.grace
        self._allowed_s[IDLE] = DRAIN_IDLE_S
        for connection in list(self._connections):
            if connection.request is not None:
                connection.close_after(connection.request)
            if connection.phase is IDLE:
                connection.phase = None  # so that it is given the shorter time
                self._settle(connection)

    def _is_drained(self) -> bool:
        return self._is_draining and (
            not self._connections or self._now >= self._drain_ends
        )

    def _close(self) -> None:
        for connection in list(self._connections):
            self._drop(connection)
        self._acceptor.close()
        self._selector.close()
        self._stop.close()
        self._pool.stop(wait_s=max(0.0, self._drain_ends - self._clock()))
        if self._log is not None:
            self._log.close()

    # [/drain]


def native(app: Application) -> Callable[[Connection, Request], Answer]:
    """The handler for an application of the kind that the steps before have served."""

    def handle(connection: Connection, request: Request) -> Answer:
        response, keep = answer(app, request), request.keep_alive
        if len(response.body) <= MAX_JOINED_BYTES:
            return response.encode(request, keep), keep, None
        body = response.encode_body(request)
        return response.encode_head(request, keep), None, rest(body, keep)

    return handle
