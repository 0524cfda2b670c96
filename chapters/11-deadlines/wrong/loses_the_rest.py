"""Forgets all that are late before it gives the first.

Breaks: Who leaves the loop early gets the others the next time
Refused by: test_left_early
Told: those that were not taken are never closed
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._due: OrderedDict[K, float] = OrderedDict()
        self._late: dict[K, None] = {}

    def set(self, key: K) -> None:
        self._late.pop(key, None)
        if key not in self._due:
            self._due[key] = self._clock() + self._timeout_s

    def restart(self, key: K) -> None:
        self._late.pop(key, None)
        self._due[key] = self._clock() + self._timeout_s
        self._due.move_to_end(key)

    def cancel(self, key: K) -> None:
        self._late.pop(key, None)
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        self._late = {}
        while self._due and next(iter(self._due.values())) <= now:
            self._late[self._due.popitem(last=False)[0]] = None
        while self._late:
            key = next(iter(self._late))
            del self._late[key]
            yield key

    def next_due(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, next(iter(self._due.values())) - self._clock())
