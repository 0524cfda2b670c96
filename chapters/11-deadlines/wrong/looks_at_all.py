"""Looks at every deadline, each time.

Breaks: everything costs the same for 10 keys and for 100 000
Refused by: test_cost
Told: If it looks at all
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
        late = [key for key, due in self._due.items() if due <= now]
        for key in late:
            if self._due.get(key, now + 1) <= now:
                del self._due[key]
                yield key

    def next_due(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, min(self._due.values()) - self._clock())
