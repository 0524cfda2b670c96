"""Counts the requests under way, and goes on counting one whose client has gone.

Breaks: It ends with "drained" as soon as no connection is open
Refused by: test_drained
Told: whose client has gone is under way no more
"""

from collections.abc import Callable
from typing import Literal

End = Literal["drained", "late", "forced"]


class Drain:
    def __init__(
        self, grace_s: float, patience_s: float, clock: Callable[[], float]
    ) -> None:
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._clock = clock
        self._open: set[int] = set()
        self._idle: set[int] = set()
        self._arriving: set[int] = set()
        self._requests = 0
        self._began: float | None = None
        self._end: End | None = None

    def opened(self, connection: int) -> None:
        self._open.add(connection)
        self._idle.add(connection)

    def arriving(self, connection: int) -> None:
        self._idle.discard(connection)
        self._arriving.add(connection)

    def request(self, connection: int) -> None:
        self._idle.discard(connection)
        self._arriving.discard(connection)
        self._requests += 1

    def answered(self, connection: int) -> None:
        self._idle.add(connection)
        self._requests -= 1

    def closed(self, connection: int) -> None:
        self._open.discard(connection)
        self._idle.discard(connection)
        self._arriving.discard(connection)

    def signal(self) -> None:
        if self._began is None:
            self._began = self._clock()
        elif self._end is None:
            self._end = "forced"

    def may_accept(self) -> bool:
        return self._began is None

    def answers_say_close(self) -> bool:
        return self._began is not None

    def to_close(self) -> set[int]:
        if self._began is None:
            return set()
        if self.ended():
            return set(self._open)
        if self._clock() - self._began >= self._patience_s:
            return self._idle | self._arriving
        return set(self._idle)

    def ended(self) -> End | None:
        if self._end is None and self._began is not None:
            if not self._idle and not self._arriving and self._requests == 0:
                self._end = "drained"
            elif self._clock() - self._began >= self._grace_s:
                self._end = "late"
        return self._end
