"""Takes an empty answer for none.

Breaks: It may be empty: b"" is an answer, too
Refused by: test_any_answer
Told: holds up all that come behind it
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
            while answer := self._answers.get(self._first):
                ready.append(answer)
                del self._answers[self._first]
                self._first += 1
        return ready

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            self.finish(ticket, FAILED)
            raise
        self.finish(ticket, answer)
