"""Copies all that wait behind those that it gives.

Breaks: its cost does not grow with the number of others that wait, which are neither
copied nor moved
Refused by: test_moves_nothing
Told: A copy of those that wait is a look at each
"""

import threading
from collections.abc import Callable

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._first = 0
        self._line: list[bytes | None] = []
        self._lock = threading.Lock()

    def begin(self) -> int | None:
        with self._lock:
            if len(self._line) >= self._limit:
                return None
            self._line.append(None)
            return self._first + len(self._line) - 1

    def finish(self, ticket: int, answer: bytes) -> None:
        with self._lock:
            place = ticket - self._first
            if not 0 <= place < len(self._line) or self._line[place] is not None:
                raise ValueError(f"no request {ticket} is under way without an answer")
            self._line[place] = answer
        if place == 0:
            self._wake()

    def take(self) -> list[bytes]:
        ready: list[bytes] = []
        with self._lock:
            for answer in self._line:
                if answer is None:
                    break
                ready.append(answer)
            self._line = self._line[len(ready) :]
            self._first += len(ready)
        return ready

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            self.finish(ticket, FAILED)
            raise
        self.finish(ticket, answer)
