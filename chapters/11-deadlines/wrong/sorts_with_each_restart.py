"""Sorts all deadlines when one moves.

Breaks: everything costs the same for 10 keys and for 100 000
Refused by: test_cost
Told: If others have to be moved or searched
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

    def set(self, key: K) -> None:
        if key not in self._due:
            self._due[key] = self._clock() + self._timeout_s

    def restart(self, key: K) -> None:
        self.cancel(key)
        self.set(key)
        self._due = OrderedDict(sorted(self._due.items(), key=lambda item: item[1]))

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while self._due:
            key = next(iter(self._due))
            if self._due[key] > now:
                return
            del self._due[key]
            yield key

    def next_due(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, next(iter(self._due.values())) - self._clock())
