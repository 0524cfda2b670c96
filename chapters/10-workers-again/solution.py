"""Answers in the order of the requests: an answer."""

import threading
from collections.abc import Callable

#: The answer to a request whose handler failed.
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class InOrder:
    """The requests of one connection that are under way, and their answers.

    Tickets count up. Those from `_first` to before `_next` are under way. See
    exercise.py for the contract.
    """

    def __init__(self, limit: int, wake: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._lock = threading.Lock()
        self._first = 0
        self._next = 0
        self._answers: dict[int, bytes] = {}  # that have come, and are not taken

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
                raise ValueError(f"ticket {ticket} has no request that is under way")
            self._answers[ticket] = answer
            # While the first has no answer, nothing can be taken. With it, something.
            is_first = ticket == self._first
        # Not under the lock: the loop, once awake, would only wait for it.
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
            # Without an answer in its place, no later one could ever be sent.
            self.finish(ticket, FAILED)
            raise
        self.finish(ticket, answer)
