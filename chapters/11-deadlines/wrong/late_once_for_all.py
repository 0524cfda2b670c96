"""Gives those who were late at the beginning, if they have a deadline at all.

Breaks: a key that is cancelled or restarted before its turn is not given, nor is one
that is set anew
Refused by: test_inside_the_loop
Told: To ask whether a key has a deadline is not enough
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
        late = []
        for key, due in self._due.items():
            if due > now:
                break
            late.append(key)
        for key in late:
            if key in self._due:
                self.cancel(key)
                yield key

    def next_due(self) -> float | None:
        if not self._due:
            return None
        first = next(iter(self._due.values()))
        return max(0.0, first - self._clock())
