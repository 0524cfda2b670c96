"""Removes a key when the loop asks for the next one.

Breaks: When a key is given, it has no deadline any more
Refused by: test_inside_the_loop
Told: loses the deadline that it got meanwhile
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
        self._due[key] = self._clock() + self._timeout_s
        self._due.move_to_end(key)

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while self._due:
            key, due = next(iter(self._due.items()))
            if due > now:
                return
            yield key
            self.cancel(key)

    def next_due(self) -> float | None:
        if not self._due:
            return None
        first = next(iter(self._due.values()))
        return max(0.0, first - self._clock())
