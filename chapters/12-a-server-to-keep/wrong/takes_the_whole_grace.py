"""Waits for the whole grace, though all has been done.

Breaks: It ends with "drained" as soon as no connection is open
Refused by: test_drained
Told: is how long a drain may take
"""

from collections.abc import Callable
from typing import Literal

End = Literal["drained", "late", "forced"]
State = Literal["idle", "arriving", "busy"]


class Drain:
    def __init__(
        self, grace_s: float, patience_s: float, clock: Callable[[], float]
    ) -> None:
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._clock = clock
        self._states: dict[int, State] = {}
        self._began: float | None = None
        self._end: End | None = None

    def opened(self, connection: int) -> None:
        self._states[connection] = "idle"

    def arriving(self, connection: int) -> None:
        self._states[connection] = "arriving"

    def request(self, connection: int) -> None:
        self._states[connection] = "busy"

    def answered(self, connection: int) -> None:
        self._states[connection] = "idle"

    def closed(self, connection: int) -> None:
        self.ended()
        del self._states[connection]
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
        if self.ended() is not None:
            return set(self._states)
        is_patient = self._clock() < self._began + self._patience_s
        waited_for = {"busy", "arriving"} if is_patient else {"busy"}
        return {c for c, state in self._states.items() if state not in waited_for}

    def ended(self) -> End | None:
        if self._end is not None or self._began is None:
            return self._end
        if self._clock() >= self._began + self._grace_s:
            self._end = "late" if self._states else "drained"
        return self._end
