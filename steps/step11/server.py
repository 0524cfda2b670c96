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

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from steps.app import Application
from steps.http11 import BadRequest, Reader, Request
from steps.step10 import server
from steps.step10.connection import NOTHING, Wait
from steps.step10.workers import WorkerPool
from steps.step11.connection import (
    BODY,
    HANDLER,
    HEADER,
    PLACE,
    WRITE,
    Connection,
    Phase,
)
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
class Stats(server.Stats):
    expired: int = 0


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Reactor(server.Reactor[AnyConnection]):
    """The loop of step 10, with deadlines.

    clock: seconds that never go back; a test turns it by hand.
    """

    def __init__(
        self,
        listener: socket.socket,
        pool: WorkerPool[AnyConnection, Any],
        connect: Callable[[socket.socket, Reader], AnyConnection],
        reader: Reader,
        settings: Timeouts,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(listener, pool, connect, reader)
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_NOT_SENT_BYTES
        )
        self.stats: Stats = Stats()
        self._clock = clock
        self._now = clock()  # when this round began
        self._deadlines = Deadlines[AnyConnection]()
        self._allowed_s = {
            Phase.IDLE: settings.idle_timeout,
            Phase.HEADER: settings.header_timeout,
            Phase.BODY: settings.body_timeout,
            Phase.HANDLER: settings.handler_timeout,
            Phase.PLACE: settings.handler_timeout,
            Phase.WRITE: settings.write_timeout,
            Phase.LINGER: LINGER_TIMEOUT_S,
        }

    # [loop]
    def _round(self) -> None:
        looked = self._clock()
        timeout = self._timeout(looked) if self._pool.may_sleep() else 0
        ready = self._selector.select(timeout)
        self._now = self._clock()
        for key, _ in ready:
            if key.data is not None:
                self._ready(key.data)
            else:
                self._attend(key.fileobj)
        self._deliver()
        self._expire(looked)
        self._pool.hand_over()

    def _timeout(self, now: float) -> float | None:
        """How long to sleep if nothing is ready, in seconds; None: for ever."""
        next_look = self._deadlines.next_look
        return None if next_look == NEVER else max(0, next_look - now)

    # [/loop]

    # [advance]
    def _answered(
        self, connection: AnyConnection, request: Request, response: Any
    ) -> None:
        # What runs for each request is called by its class's name, here and in _wait().
        # In Python 3.11 to say super() takes longer than the call itself.
        server.Reactor._answered(self, connection, request, response)
        connection.phase = None  # what follows has its own time
        self._now = self._clock()  # a handler's time in the loop is not the client's

    def _wait(self, connection: AnyConnection) -> Wait:
        """As in step 10; and when a new phase begins, set its deadline. Another byte in
        the same phase earns no time."""
        wait = server.Reactor._wait(self, connection)
        if wait is not NOTHING:
            phase = connection.phase_now(wait)
            if phase is not connection.phase:
                connection.phase = phase
                if phase is BODY or phase is WRITE:
                    connection.progress_before = connection.progress
                self._deadlines.set(connection, self._now + self._allowed_s[phase])
        return wait

    # [/advance]

    # [expire]
    def _expire(self, looked: float) -> None:
        """Deal with those whose time was over at `looked`.

        The selector was asked after that, so whatever came in time has been found by it
        and served. Measured by the clock of now, a client could be late whose bytes are
        here: they came while a handler ran in the loop, or while the whole process was
        stopped, and nobody has looked for them yet.
        """
        for connection in islice(self._deadlines.pop_expired(looked), MAX_EXPIRED):
            phase = connection.phase
            if phase is BODY or phase is WRITE:
                progress = connection.progress
                earned_s = (progress - connection.progress_before) / LEAST_RATE
                # At most as long again: for a client that reads nothing, the kernel may
                # take a megabyte, which would be good for a quarter of an hour.
                earned_s = min(earned_s, self._allowed_s[phase])
                if earned_s > TICK_S:
                    connection.progress_before = progress
                    self._deadlines.set(connection, connection.deadline + earned_s)
                    continue
            self.stats.expired += 1
            refusal = self._refusal(connection)
            if refusal is None:
                self._drop(connection)
            else:
                self._held.pop(connection, None)
                connection.busy = False  # a worker that has its request goes on
                connection.refuse(refusal)
                self._advance(connection)

    def _refusal(self, connection: AnyConnection) -> BadRequest | None:
        """What a client is told whose time is over. None: nothing, for it has asked
        nothing, or does not read."""
        phase = connection.phase
        if phase is HEADER or phase is BODY:
            return BadRequest(408, f"the {phase.name.lower()} is late")
        if phase is HANDLER:
            return BadRequest(503, "the handler is late")
        if phase is PLACE and connection.has_asked():
            return BadRequest(503, "the server is full")
        return None

    # [/expire]

    def _drop(self, connection: AnyConnection) -> None:
        self._deadlines.cancel(connection)
        super()._drop(connection)


class Server(Reactor[Connection]):
    """Serve `app` to the clients of a listening socket until `stop()`."""

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Timeouts = Timeouts(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            listener,
            server.native_pool(workers, app),
            Connection,
            Reader(),
            settings,
            clock,
        )
