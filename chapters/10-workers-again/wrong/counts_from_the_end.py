"""Uses the ticket of a request that is gone as an index, which is negative then.

Breaks: Raises ValueError, and changes nothing, if no request with this ticket is under
way
Refused by: test_wrong_tickets
Told: taken for the answer to the next request
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
        self._first = 0
        self._slots: deque[bytes | None] = deque()

    def begin(self) -> int | None:
        with self._lock:
            if len(self._slots) == self._limit:
                return None
            self._slots.append(None)
            return self._first + len(self._slots) - 1

    def finish(self, ticket: int, answer: bytes) -> None:
        with self._lock:
            place = ticket - self._first
            try:
                taken = self._slots[place] is not None
            except IndexError:
                raise ValueError(ticket) from None
            if taken:
                raise ValueError(ticket)
            self._slots[place] = answer
            is_first = place == 0
        if is_first:
            self._wake()

    def take(self) -> list[bytes]:
        with self._lock:
            answers = []
            while self._slots and (answer := self._slots[0]) is not None:
                answers.append(answer)
                self._slots.popleft()
                self._first += 1
            return answers

    def work(self, ticket: int, handler: Callable[[], bytes]) -> None:
        try:
            answer = handler()
        except BaseException:
            self.finish(ticket, FAILED)
            raise
        self.finish(ticket, answer)
