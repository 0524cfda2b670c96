"""Puts pairs into a heap, which compares the keys where deadlines are the same.

Breaks: no two keys can be put in an order
Refused by: test_order
Told: two keys cannot be put in an order
"""

import heapq
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, K]] = []

    def set(self, key: K) -> None:
        if key not in self._due:
            self.restart(key)

    def restart(self, key: K) -> None:
        self._due[key] = self._clock() + self._timeout_s
        heapq.heappush(self._heap, (self._due[key], key))

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                yield key

    def next_due(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        return max(0.0, self._heap[0][0] - self._clock())
