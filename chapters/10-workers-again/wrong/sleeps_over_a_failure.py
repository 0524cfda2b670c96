"""Puts FAILED in its place, and wakes nobody.

Breaks: FAILED wakes the loop like any other answer
Refused by: test_failed_handler
Told: FAILED is an answer like any other
"""

import threading
from collections.abc import Callable

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._next = 0
        self._first = 0
        self._answers: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def begin(self) -> int | None:
        with self._lock:
            if self._next - self._first >= self._limit:
                return None
            ticket = self._next
            self._next += 1
            return ticket

    def finish(self, ticket: int, answer: bytes) -> None:
        with self._lock:
            if not self._first <= ticket < self._next or ticket in self._answers:
                raise ValueError(f"no request {ticket} is under way without an answer")
            self._answers[ticket] = answer
            wakes = ticket == self._first
        if wakes:
            self._wake()

    def take(self) -> list[bytes]:
        ready: list[bytes] = []
        with self._lock:
            while self._first in self._answers:
                ready.append(self._answers.pop(self._first))
                self._first += 1
        return ready

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            with self._lock:
                self._answers[ticket] = FAILED
            raise
        self.finish(ticket, answer)
