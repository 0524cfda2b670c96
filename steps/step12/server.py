"""A server to keep: limits, overload, a drain, an access log.

What it does: everything that a client or an operator can do to it has a bound. When
connections or descriptors run out, it waits for some to be free, and neither spins nor
ends. On SIGTERM it finishes what has begun, says `Connection: close`, and goes.

What it costs: settings. Each has a default, and each default is a guess about clients
that nobody has met.

See it work:
    python -m steps.step12 --max-connections 2 --idle-timeout 20
    python -m lab silent http://127.0.0.1:8000 --connections 2 &
    python -m lab probe http://127.0.0.1:8000             # waits until there is room
"""

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from steps.app import Application
from steps.http11 import Reader, Request
from steps.step10.server import native_pool
from steps.step10.workers import WorkerPool
from steps.step11 import server
from steps.step11.connection import IDLE
from steps.step11.deadlines import NEVER
from steps.step12.acceptor import Acceptor
from steps.step12.access_log import AccessLog
from steps.step12.connection import Connection
from steps.step12.settings import Settings

# How long a client that is idle when a drain begins is kept: it may have sent a request
# that is still on its way.
DRAIN_IDLE_S = 0.5
# Answers are sent together, at the end of a round or when there are so many. Else the
# first would wait until all are made, where handlers run in the loop.
MAX_BATCH = 64


@dataclass
class Stats(server.Stats):
    open: int = 0
    requests: int = 0


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Reactor(server.Reactor[AnyConnection]):
    """The loop of step 11, with limits.

    `stop()` begins a drain: `run()` returns when what has begun is done, or after
    `settings.grace` seconds. It closes the listener.
    """

    def __init__(
        self,
        listener: socket.socket,
        pool: WorkerPool[AnyConnection, Any],
        connect: Callable[[socket.socket, Reader, AccessLog | None], AnyConnection],
        reader: Reader,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._log = log = AccessLog() if settings.access_log else None

        def connect_logged(sock: socket.socket, reader: Reader) -> AnyConnection:
            return connect(sock, reader, log)

        super().__init__(listener, pool, connect_logged, reader, settings, clock)
        self.stats: Stats = Stats()
        self._settings = settings
        self._max_requests = settings.max_requests  # on one connection
        self._acceptor = Acceptor(listener, self._selector)
        self._is_draining = False
        self._drain_ends = NEVER
        self._to_send: list[AnyConnection] = []  # whose answers are yet to be sent

    # [loop]
    def run(self) -> None:
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._selector.register(self._pool.wake_pipe, selectors.EVENT_READ)
        try:
            while not self._is_drained():
                self._round()
        finally:
            self._close()

    def _round(self) -> None:
        self._acceptor.watch(self._can_accept())
        looked = self._clock()
        timeout = self._timeout(looked) if self._pool.may_sleep() else 0
        ready = self._selector.select(timeout)
        self._now = self._clock()
        for key, _ in ready:
            if key.data is not None:
                self._ready(key.data)
            else:
                self._attend(key.fileobj)
            if len(self._to_send) >= MAX_BATCH:
                self._send_all()
        self._deliver()
        self._send_all()
        self._expire(looked)
        self._send_all()
        self._pool.hand_over()

    def _attend(self, readable: object) -> None:
        if readable is self._stop:
            self._begin_drain()
        else:
            super()._attend(readable)

    def _timeout(self, now: float) -> float | None:
        """How long to sleep if nothing is ready, in seconds; None: for ever."""
        next_look = min(self._deadlines.next_look, self._drain_ends)
        if self._now < self._acceptor.paused_until:
            next_look = min(next_look, self._acceptor.paused_until)
        return None if next_look == NEVER else max(0, next_look - now)

    # [/loop]

    # [batch]
    def _advance(self, connection: AnyConnection) -> None:
        """Take the requests that may be taken. Their answers are sent with the others
        of this round."""
        self._take(connection)
        self._to_send.append(connection)

    def _send_all(self) -> None:
        """Send the answers of this round, one right after another.

        A `send()` takes longer if it has to wake a process that waits for it. Where one
        process on this machine has many of the clients, the first answer wakes it, and
        the others find it awake.
        """
        self._now = self._clock()  # the handlers' time is not their clients'
        advance = super()._advance
        for connection in self._to_send:
            if connection in self._connections:  # it has not been dropped since
                advance(connection)
        self._to_send.clear()

    # [/batch]

    def _handle(self, connection: AnyConnection, request: Request) -> None:
        connection.request = request
        connection.taken += 1
        self.stats.requests += 1
        if connection.taken >= self._max_requests:
            connection.close_after(request)
        server.Reactor._handle(self, connection, request)

    # [accept]
    def _can_accept(self) -> bool:
        """Whether to watch the listener. Decided here alone, and in each round."""
        return (
            not self._is_draining
            and len(self._connections) < self._settings.max_connections
            and self._now >= self._acceptor.paused_until
        )

    def _accept(self) -> None:
        if not self._is_draining:  # else the listener was closed in this round
            self._accept_some()

    def _accept_some(self) -> int:
        """Accept as many as there is room for. Return how many came."""
        free = self._settings.max_connections - len(self._connections)
        count = 0
        for sock in self._acceptor.accept(self._now, free):
            count += 1
            self._add(sock)
        self.stats.open = len(self._connections)
        return count

    def _watch(self, connection: AnyConnection, interest: int) -> None:
        try:
            super()._watch(connection, interest)
        except OSError as error:  # the system can watch no more
            self._acceptor.pause(self._now, error)
            raise

    def _drop(self, connection: AnyConnection) -> None:
        was_watched = connection.watched
        super()._drop(connection)
        self.stats.open = len(self._connections)
        if was_watched:  # else it may be the one for which there was no room
            self._acceptor.paused_until = 0.0

    # [/accept]

    # [drain]
    def say_close(self) -> None:
        """Say in each answer from now on that it is the last of its connection. Any
        thread may call this."""
        self._max_requests = 0

    def _begin_drain(self) -> None:
        """No new connections; what has begun is finished, and then it is over."""
        self._selector.unregister(self._stop)
        while self._accept_some():  # to close the listener would reset those that wait
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
                self._wait(connection)

    # [/drain]

    # [drained]
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
        # Without a drain, it is the loop that has failed: then the process is to end at
        # once, so that another can take its place.
        wait_s = self._drain_ends - self._clock() if self._is_draining else 0.0
        self._pool.stop(max(0.0, wait_s))
        if self._log is not None:
            self._log.close()

    # [/drained]


class Server(Reactor[Connection]):
    """Serve `app` to the clients of a listening socket until `stop()`."""

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Settings = Settings(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            listener,
            native_pool(workers, app),
            Connection,
            Reader(settings.limits),
            settings,
            clock,
        )
