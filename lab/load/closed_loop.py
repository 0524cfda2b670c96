"""A closed loop: each connection sends its next request when the last is answered."""

from __future__ import annotations

import time
from collections import deque

from lab.load.connecting import CONNECT_BATCH, CONNECT_PAUSE_S
from lab.load.connections import MAX_EVENTS, Generator
from lab.load.poller import Poller
from lab.load.run import LoadSpec


class ClosedLoop(Generator):
    """The load follows the server."""

    closed_loop = True

    def __init__(self, spec: LoadSpec, index: int, poller: Poller) -> None:
        super().__init__(spec, index, poller)
        #: Between two first requests; the processes take turns.
        self._stagger_ns = spec.stagger_s * 1e9 / spec.connections
        self._places = range(index, spec.connections, spec.processes)
        #: When connections that are open, and idle so far, send their first request.
        self._begins: deque[int] = deque()

    def _begin(self, ready: list[int]) -> None:
        now = time.monotonic_ns()
        # In close mode not all at once either: a backlog holds only so many.
        for number in range(self._connections - len(ready)):
            pause = number // CONNECT_BATCH * CONNECT_PAUSE_S
            self._later.append(now + int(pause * 1e9))
        if self._stagger_ns:
            self._idle.extend(ready)
            self._begins.extend(now + int(n * self._stagger_ns) for n in self._places)
            return
        for fd in ready:
            self._send(fd, time.monotonic_ns())

    def _look_after(self, now: int, until_ns: int) -> None:
        """As there; and first requests have their time."""
        while self._begins and self._begins[0] <= now:
            self._begins.popleft()
            if self._idle and (fd := self._idle.popleft()) is not None:
                self._send(fd, time.monotonic_ns())
        super()._look_after(now, until_ns)
        if self._begins:
            self._wake_ns = min(self._wake_ns, self._begins[0])

    def _wait(self, now: int) -> list[tuple[int, int]]:
        return self._poller.poll(max(0, self._wake_ns - now) / 1e9, MAX_EVENTS)

    def _counts(self, started_ns: int) -> bool:
        return not self._draining

    def _replace(self) -> None:
        self._open(time.monotonic_ns())

    def _unanswered(self, due_ns: int) -> None:
        """It is counted among the errors; it has no latency."""
