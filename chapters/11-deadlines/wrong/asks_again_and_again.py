"""Asks the clock anew for each key, so a slow loop never ends.

Breaks: The clock is asked once, at the beginning
Refused by: test_inside_the_loop
Told: a loop that is slow never ends
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
        while self._due:
            key = next(iter(self._due))
            if self._due[key] > self._clock():
                return
            del self._due[key]
            yield key

    def next_due(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, next(iter(self._due.values())) - self._clock())
