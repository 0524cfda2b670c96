"""Takes the first from a list, and all the others move up.

Breaks: everything costs the same for 10 keys and for 100 000
Refused by: test_moves_nothing
Told: pop(0) moves all the others
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Entry(Generic[K]):
    def __init__(self, key: K, due: float) -> None:
        self.keys = [key]  # none if it was cancelled
        self.due = due


class Deadlines(Generic[K]):
    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._entries: dict[K, Entry[K]] = {}
        self._line: list[Entry[K]] = []

    def set(self, key: K) -> None:
        if key not in self._entries:
            entry = Entry(key, self._clock() + self._timeout_s)
            self._entries[key] = entry
            self._line.append(entry)

    def restart(self, key: K) -> None:
        self.cancel(key)
        self.set(key)

    def cancel(self, key: K) -> None:
        if key in self._entries:
            self._entries.pop(key).keys.clear()
            # Half of them may be cancelled, not more.
            if len(self._line) > 2 * len(self._entries) + 4:
                self._line = [entry for entry in self._line if entry.keys]

    def _first(self) -> Entry[K] | None:
        while self._line and not self._line[0].keys:
            self._line.pop(0)
        return self._line[0] if self._line else None

    def expired(self) -> Iterator[K]:
        now = self._clock()
        while (entry := self._first()) and entry.due <= now:
            key = entry.keys[0]
            self.cancel(key)
            yield key

    def next_due(self) -> float | None:
        entry = self._first()
        return max(0.0, entry.due - self._clock()) if entry else None
