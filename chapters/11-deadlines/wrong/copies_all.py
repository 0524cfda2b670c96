"""Copies all deadlines, to be safe from changes.

Breaks: everything costs the same for 10 keys and for 100 000
Refused by: test_copies_nothing
Told: A copy of all keys is a walk through all keys
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._due: dict[K, float] = {}

    def set(self, key: K) -> None:
        if key not in self._due:
            self._due[key] = self._clock() + self._timeout_s

    def restart(self, key: K) -> None:
        self.cancel(key)
        self.set(key)

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        for key, due in list(self._due.items()):
            if due > now:
                return
            if self._due.get(key) == due:
                del self._due[key]
                yield key

    def next_due(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, next(iter(self._due.values())) - self._clock())
