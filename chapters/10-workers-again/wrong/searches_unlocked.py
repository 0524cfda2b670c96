"""Searches its place among the requests while the loop adds to them.

Breaks: at any time, also several at once
Refused by: test_begun_meanwhile
Told: The worker reads what the loop is changing
"""

import threading
from collections import deque
from collections.abc import Callable

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._lock = threading.Lock()
        self._next = 0
        self._slots: deque[tuple[int, list[bytes]]] = deque()

    def begin(self) -> int | None:
        if len(self._slots) == self._limit:
            return None
        self._next += 1
        self._slots.append((self._next, []))
        return self._next

    def finish(self, ticket: int, answer: bytes) -> None:
        with self._lock:
            for other, answers in self._slots:
                if other == ticket and not answers:
                    answers.append(answer)
                    is_first = self._slots[0][0] == ticket
                    break
            else:
                raise ValueError(ticket)
        if is_first:
            self._wake()

    def take(self) -> list[bytes]:
        with self._lock:
            answers = []
            while self._slots and self._slots[0][1]:
                answers += self._slots.popleft()[1]
            return answers

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            self.finish(ticket, FAILED)
            raise
        self.finish(ticket, answer)
