"""A deadline for each connection, however many there are.

Work in this file. `pytest chapters/11-deadlines` checks it.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """When the time of each key is over. All keys have the same time.

    A key is what the loop knows a connection by. It can be hashed, and may be false,
    as 0 is; no two keys can be put in an order. The loop alone calls all of this, in
    its one thread, in each round, so nothing here waits, and everything costs the same
    for 10 keys and for 100 000: `set()`, `restart()`, `cancel()`, `next_due()`, and
    `expired()` for each key that it gives. Nothing is kept of a key that has no
    deadline any more, and nothing steps over where it was.

    timeout_s: the time of each key, in seconds, more than 0.
    clock: called without arguments, gives the time in seconds, which may be 0 or less.
        It never goes back, but may stand still. There is no other clock: a test turns
        this one by hand.

    Example:

        >>> now = 100.0
        >>> deadlines = Deadlines(timeout_s=10.0, clock=lambda: now)
        >>> deadlines.set("a")
        >>> now = 108.0
        >>> list(deadlines.expired()), deadlines.next_due()
        ([], 2.0)
        >>> now = 110.0
        >>> list(deadlines.expired()), deadlines.next_due()
        (['a'], None)
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._due: dict[K, float] = {}

    def set(self, key: K) -> None:
        """A byte has come. Its deadline is `timeout_s` from now, if it has none yet.

        A deadline that it has already stays, also one that has passed: one more byte
        earns no more time.
        """
        # TODO: here each byte moves the deadline; and below, all keys are looked at
        # each time, none is ever done with, and the seconds may be negative.
        self._due[key] = self._clock() + self._timeout_s

    def restart(self, key: K) -> None:
        """A new request begins: its deadline is `timeout_s` from now in any case."""
        self._due[key] = self._clock() + self._timeout_s

    def cancel(self, key: K) -> None:
        """It has no deadline any more. That it had none before is no error."""
        self._due.pop(key, None)

    def expired(self) -> Iterator[K]:
        """Gives each key whose deadline has come: now, or before now.

        The earliest first, and of those with the same deadline the one first whose
        deadline was set first, be it by set() or restart(). When a key is given, it has
        no deadline any more.

        The clock is asked once, at the beginning. In the loop over what this gives,
        everything may be called: a key that is cancelled or restarted before its turn
        is not given, nor is one that is set anew. Who leaves the loop early gets the
        others the next time.
        """
        now = self._clock()
        for key, due in self._due.items():
            if due <= now:
                yield key

    def next_due(self) -> float | None:
        """Seconds until the first deadline, for the selector to sleep.

        0 if it has come or passed, never less. None if there is no deadline. It looks,
        and changes nothing.
        """
        if not self._due:
            return None
        return min(self._due.values()) - self._clock()
