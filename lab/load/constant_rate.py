"""A constant rate: requests are due at fixed moments, whatever the server does."""

from __future__ import annotations

import select
import time

from lab.load.connections import MAX_EVENTS, Generator
from lab.load.poller import Poller
from lab.load.run import LoadSpec


class ConstantRate(Generator):
    """What is due goes out on a connection that is free, or waits for one.

    A latency counts from the moment at which the request was due.
    """

    closed_loop = False

    def __init__(self, spec: LoadSpec, index: int, poller: Poller) -> None:
        super().__init__(spec, index, poller)
        assert spec.rate is not None
        #: The processes take turns in sending.
        self._interval_ns = 1e9 / spec.rate * spec.processes
        self._phase_ns = 1e9 / spec.rate * index
        #: The number of the request that is due next.
        self._next_due = 0
        self._sent = {}

    def _begin(self, ready: list[int]) -> None:
        self._idle.extend([*ready, *[None] * (self._connections - len(ready))])

    def _wait(self, now: int) -> list[tuple[int, int]]:
        wake = self._wake_ns
        if not self._draining:
            self._send_due(time.monotonic_ns())
            if self._idle:
                wake = min(wake, self._due_ns(self._next_due))
        timeout_s = max(0, wake - time.monotonic_ns()) / 1e9
        if self._poller.fileno() >= 0:
            # epoll counts in milliseconds; select, over the one epoll, in microseconds.
            select.select([self._poller], [], [], timeout_s)
            timeout_s = 0
        return self._poller.poll(timeout_s, MAX_EVENTS)

    def _due_ns(self, number: int) -> int:
        return self._start_ns + int(self._phase_ns + number * self._interval_ns)

    def _send_due(self, now: int) -> None:
        """Send what is due, as long as connections are free."""
        until = min(now, self._end_ns)
        while self._idle and (due := self._due_ns(self._next_due)) < until:
            self._next_due += 1
            fd = self._idle.popleft()
            if fd is None:
                self._open(due)
            else:
                self._send(fd, due)

    def _stop_sending(self) -> None:
        """As there; and what was due and could not be sent is an error."""
        self._send_due(self._end_ns)
        super()._stop_sending()
        unsent: list[int] = []
        while (due := self._due_ns(self._next_due)) < self._end_ns:
            self._next_due += 1
            if due >= self._window_ns:
                self._errors["unsent"] += 1
                unsent.append(self._end_ns - due)
                if len(unsent) > MAX_EVENTS:
                    self._histogram.add_many(unsent)
                    unsent.clear()
        self._histogram.add_many(unsent)

    def _counts(self, started_ns: int) -> bool:
        return started_ns >= self._window_ns

    def _replace(self) -> None:
        self._idle.append(None)

    def _unanswered(self, due_ns: int) -> None:
        if due_ns >= self._window_ns:
            # It counts with the time that it waited.
            self._latencies.append(time.monotonic_ns() - due_ns)
