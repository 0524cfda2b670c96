"""A deadline for each connection, however many there are: an answer."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """When the time of each key is over; see exercise.py for the contract.

    All have the same time, so what is set last is due last: the order in which keys
    come is the order of their deadlines, and nothing has to be sorted.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        # Not a dict: to find the first key, a dict steps over all that were removed.
        self._due: OrderedDict[K, float] = OrderedDict()

    def set(self, key: K) -> None:
        if key not in self._due:
            self._due[key] = self._clock() + self._timeout_s

    def restart(self, key: K) -> None:
        # A key that is assigned to anew stays where it was, so it goes first.
        self.cancel(key)
        self.set(key)

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while self._due:
            # Each time from the beginning: who got the last one may have changed it.
            key, due = next(iter(self._due.items()))
            if due > now:
                return
            del self._due[key]
            yield key

    def next_due(self) -> float | None:
        for due in self._due.values():
            return max(0.0, due - self._clock())
        return None
