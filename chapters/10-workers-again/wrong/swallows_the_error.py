"""Answers for a failed handler, and tells nobody.

Breaks: what it raised is raised here, for the worker to log
Refused by: test_failed_handler
Told: An exception swallowed here
"""

import threading
from collections.abc import Callable

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._lock = threading.Lock()
        self._first = 0
        self._next = 0
        self._answers: dict[int, bytes] = {}

    def begin(self) -> int | None:
        with self._lock:
            if self._next - self._first == self._limit:
                return None
            ticket = self._next
            self._next += 1
            return ticket

    def finish(self, ticket: int, answer: bytes) -> None:
        with self._lock:
            if not self._first <= ticket < self._next or ticket in self._answers:
                raise ValueError(ticket)
            self._answers[ticket] = answer
            is_first = ticket == self._first
        if is_first:
            self._wake()

    def take(self) -> list[bytes]:
        with self._lock:
            answers = []
            while self._first in self._answers:
                answers.append(self._answers.pop(self._first))
                self._first += 1
            return answers

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            answer = FAILED
        self.finish(ticket, answer)
