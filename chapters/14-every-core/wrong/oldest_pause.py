"""Says when the slot is due whose pause began first, and not which is due first.

Breaks: Returns the seconds until the next start is due
Refused by: test_next_start
Told: Two slots are in a pause
"""

from dataclasses import dataclass
from typing import Protocol

#: Seconds. A process that has lived for so long was no failure.
STEADY_S = 8.0
#: Seconds from a quick death to the next start: the first time, and at most.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
#: So many quick deaths in a row are too many.
MAX_QUICK_DEATHS = 7


class System(Protocol):
    """What a supervisor asks of the operating system; see exercise.py."""

    def now(self) -> float: ...
    def spawn(self, slot: int) -> int: ...
    def reap(self) -> int | None: ...
    def terminate(self, pid: int) -> None: ...


@dataclass
class Slot:
    number: int
    started: float  # the newest process
    due: float  # when to start the next, if none runs
    quick_deaths: int = 0  # in a row


class Supervisor:
    """See exercise.py for the contract."""

    def __init__(self, slots: int, system: System) -> None:
        self._system = system
        self._running: dict[int, Slot] = {}  # by pid
        now = system.now()
        self._vacant = [Slot(number, now, now) for number in range(slots)]
        self._is_stopping = False
        self.gave_up = False

    @property
    def is_over(self) -> bool:
        return self._is_stopping and not self._running

    def tick(self) -> float | None:
        now = self._system.now()
        # A signal does not say how many have died: ask until there is no other.
        while (pid := self._system.reap()) is not None:
            slot = self._running.pop(pid, None)
            if slot is not None:  # else it was somebody else's
                self._has_died(slot, now)
        if self._is_stopping:
            return None
        for slot in [slot for slot in self._vacant if slot.due <= now]:
            self._vacant.remove(slot)
            slot.started = now
            self._running[self._system.spawn(slot.number)] = slot
        return self._vacant[0].due - now if self._vacant else None

    def _has_died(self, slot: Slot, now: float) -> None:
        self._vacant.append(slot)
        if now - slot.started >= STEADY_S:
            slot.quick_deaths = 0
            slot.due = now
            return
        slot.quick_deaths += 1
        pause_s = FIRST_PAUSE_S * 2 ** (slot.quick_deaths - 1)
        slot.due = now + min(pause_s, LONGEST_PAUSE_S)
        if slot.quick_deaths >= MAX_QUICK_DEATHS and not self._is_stopping:
            self.gave_up = True
            self.stop()

    def stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            for pid in self._running:
                self._system.terminate(pid)
