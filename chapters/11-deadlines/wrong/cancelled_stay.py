"""Leaves a deadline that was moved or cancelled where it is, until its time has come.

Breaks: Nothing is kept of a key that has no deadline any more
Refused by: test_forgets
Told: What was cancelled or moved, and is kept
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._queue: deque[tuple[float, int, K]] = deque()
        self._valid: dict[K, int] = {}
        self._number = 0

    def set(self, key: K) -> None:
        if key not in self._valid:
            self.restart(key)

    def restart(self, key: K) -> None:
        self._number += 1
        self._queue.append((self._clock() + self._timeout_s, self._number, key))
        self._valid[key] = self._number

    def cancel(self, key: K) -> None:
        self._valid.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while self._first() and self._queue[0][0] <= now:
            _, _, key = self._queue.popleft()
            del self._valid[key]
            yield key

    def _first(self) -> bool:
        while self._queue and self._valid.get(self._queue[0][2]) != self._queue[0][1]:
            self._queue.popleft()
        return bool(self._queue)

    def next_due(self) -> float | None:
        if not self._first():
            return None
        return max(0.0, self._queue[0][0] - self._clock())
