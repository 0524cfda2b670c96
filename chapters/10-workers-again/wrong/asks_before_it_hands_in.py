"""Asks whether its answer is the first, and then hands it in, without a lock.

Breaks: at any time, also several at once
Refused by: test_taken_meanwhile
Told: A lost wake
"""

from collections.abc import Callable

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._first = 0
        self._next = 0
        self._answers: dict[int, bytes] = {}

    def begin(self) -> int | None:
        if self._next - self._first == self._limit:
            return None
        self._next += 1
        return self._next - 1

    def finish(self, ticket: int, answer: bytes) -> None:
        if not self._first <= ticket < self._next or ticket in self._answers:
            raise ValueError(ticket)
        is_first = ticket == self._first
        self._answers[ticket] = answer
        if is_first:
            self._wake()

    def take(self) -> list[bytes]:
        answers = []
        while self._first in self._answers:
            answers.append(self._answers.pop(self._first))
            self._first += 1
        return answers

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            self.finish(ticket, FAILED)
            raise
        self.finish(ticket, answer)
