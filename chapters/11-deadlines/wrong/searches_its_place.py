"""Searches the place of each deadline, which is always the last.

Breaks: everything costs the same for 10 keys and for 100 000
Refused by: test_cost
Told: nothing comes out of order here
"""

import bisect
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._due: dict[K, float] = {}
        self._line: list[tuple[float, int, K]] = []
        self._number = 0

    def set(self, key: K) -> None:
        if key not in self._due:
            self._due[key] = self._clock() + self._timeout_s
            self._number += 1
            bisect.insort(self._line, (self._due[key], self._number, key))

    def restart(self, key: K) -> None:
        self.cancel(key)
        self.set(key)

    def cancel(self, key: K) -> None:
        if key not in self._due:
            return
        place = bisect.bisect_left(self._line, (self._due.pop(key), 0))
        while self._line[place][2] != key:
            place += 1
        del self._line[place]

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while self._line and self._line[0][0] <= now:
            key = self._line[0][2]
            self.cancel(key)
            yield key

    def next_due(self) -> float | None:
        if not self._line:
            return None
        return max(0.0, self._line[0][0] - self._clock())
