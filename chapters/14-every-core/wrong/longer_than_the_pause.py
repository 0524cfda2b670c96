"""Begins the row anew after a life that was longer than the pause before it.

Breaks: A process that has lived for STEADY_S ends the row
Refused by: test_doubles
Told: Only one that has lived for STEADY_S ends the row
"""

from dataclasses import dataclass
from typing import Protocol

STEADY_S = 8.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
MAX_QUICK_DEATHS = 7


class System(Protocol):
    def now(self) -> float: ...
    def spawn(self, slot: int) -> int: ...
    def reap(self) -> int | None: ...
    def terminate(self, pid: int) -> None: ...


@dataclass
class Slot:
    number: int
    started: float
    due: float
    quick_deaths: int = 0


class Supervisor:
    def __init__(self, slots: int, system: System) -> None:
        self._system = system
        self._running: dict[int, Slot] = {}
        now = system.now()
        self._vacant = [Slot(number, now, now) for number in range(slots)]
        self._is_stopping = False
        self.gave_up = False

    @property
    def is_over(self) -> bool:
        return self._is_stopping and not self._running

    def tick(self) -> float | None:
        now = self._system.now()
        while (pid := self._system.reap()) is not None:
            slot = self._running.pop(pid, None)
            if slot is not None:
                self._has_died(slot, now)
        if self._is_stopping:
            return None
        for slot in [slot for slot in self._vacant if slot.due <= now]:
            self._vacant.remove(slot)
            slot.started = now
            self._running[self._system.spawn(slot.number)] = slot
        return min((slot.due - now for slot in self._vacant), default=None)

    def _has_died(self, slot: Slot, now: float) -> None:
        self._vacant.append(slot)
        if now - slot.started >= STEADY_S:
            slot.quick_deaths = 0
            slot.due = now
            return
        if now - slot.started > FIRST_PAUSE_S * 2**slot.quick_deaths:
            slot.quick_deaths = 0
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
