"""Takes a key that is false for none.

Breaks: It can be hashed, and may be false, as 0 is
Refused by: test_zero
Told: descriptor 0 is one
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
            key = next(iter(self._due))
            if self._due[key] > now:
                return
            del self._due[key]
            yield key

    def next_due(self) -> float | None:
        first = next(iter(self._due), None)
        if not first:
            return None
        return max(0.0, self._due[first] - self._clock())
