"""Gives a set of its own before the end, and after it the one that it keeps.

Breaks: A set of its own, which stays as it is while the server goes through it
Refused by: test_set_of_its_own
Told: After the end, too
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

    def answered(self, connection: int) -> None:
        self._idle.add(connection)

    def closed(self, connection: int) -> None:
        self.ended()
        self._open.discard(connection)
        self._idle.discard(connection)
        self._arriving.discard(connection)
        self.ended()

    def signal(self) -> None:
        if self._began is None:
            self._began = self._clock()
        elif self.ended() is None:
            self._end = "forced"

    def may_accept(self) -> bool:
        return self._began is None

    def answers_say_close(self) -> bool:
        return self._began is not None

    def to_close(self) -> set[int]:
        if self._began is None:
            return set()
        if self.ended():
            return self._open
        if self._clock() - self._began >= self._patience_s:
            return self._idle | self._arriving
        return set(self._idle)

    def ended(self) -> End | None:
        if self._end is None and self._began is not None:
            if not self._open:
                self._end = "drained"
            elif self._clock() - self._began >= self._grace_s:
                self._end = "late"
        return self._end
