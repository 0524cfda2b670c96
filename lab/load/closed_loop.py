"""A closed loop: each connection sends its next request when the last is answered."""

from __future__ import annotations

import time

from lab.load.connecting import CONNECT_BATCH, CONNECT_PAUSE_S
from lab.load.connections import MAX_EVENTS, Generator


class ClosedLoop(Generator):
    """The load follows the server."""

    closed_loop = True

    def _begin(self, ready: list[int]) -> None:
        now = time.monotonic_ns()
        # In close mode not all at once either: a backlog holds only so many.
        for number in range(self._connections - len(ready)):
            pause = number // CONNECT_BATCH * CONNECT_PAUSE_S
            self._later.append(now + int(pause * 1e9))
        for fd in ready:
            self._send(fd, time.monotonic_ns())

    def _wait(self, now: int) -> list[tuple[int, int]]:
        return self._poller.poll(max(0, self._wake_ns - now) / 1e9, MAX_EVENTS)

    def _counts(self, started_ns: int) -> bool:
        return not self._draining

    def _replace(self) -> None:
        self._open(time.monotonic_ns())

    def _unanswered(self, due_ns: int) -> None:
        """It is counted among the errors; it has no latency."""
