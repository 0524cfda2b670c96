"""A supervisor that restarts processes, backs off, and gives up.

Work in this file. `pytest chapters/14-every-core` checks it.
"""

from typing import Protocol

#: Seconds. A process that has lived for so long was no failure.
STEADY_S = 8.0
#: Seconds from a quick death to the next start: the first time, and at most.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
#: So many quick deaths in a row are too many.
MAX_QUICK_DEATHS = 7


class System(Protocol):
    """What a supervisor asks of the operating system. Nothing in it waits or fails."""

    def now(self) -> float:
        """The time in seconds. It never goes back, and its zero means nothing."""

    def spawn(self, slot: int) -> int:
        """Start a process for this slot, and return its pid, as `os.fork()` does."""

    def reap(self) -> int | None:
        """The pid of a child that has died, or None if there is no other.

        As `os.waitpid(-1, os.WNOHANG)`: of several that have died each call gives one.
        It may be a child that the supervisor has not started. From now on the system
        may give the same pid to a new process.
        """

    def terminate(self, pid: int) -> None:
        """Ask a process to end, by SIGTERM. It ends when it likes."""


class Supervisor:
    """Keeps one process running in each slot.

    All calls come from one thread, a loop such as

        while not supervisor.is_over:
            wait_for_a_signal(timeout=supervisor.tick())

    which calls `tick()` first of all, after each SIGCHLD, and when the time is over
    that the last `tick()` has returned; it may call it sooner, too. One SIGCHLD may
    stand for several deaths. Nothing in here waits, for then no signal would be heard.

    The rules:

    1. The first tick starts a process in each slot, from 0 on.
    2. A process is dead when `reap()` says so. If it has lived for STEADY_S or longer,
       the same tick starts another in its slot.
    3. Otherwise it was a quick death, and there is a pause before the next start:
       FIRST_PAUSE_S after the first quick death in a row, and twice as long after each
       further one, but never longer than LONGEST_PAUSE_S.
    4. Each slot has its own row of quick deaths. A process that has lived for STEADY_S
       ends the row.
    5. At the quick death that is MAX_QUICK_DEATHS in a row it gives up: `gave_up` is
       True, each process that still runs is asked to end, and none is started any more.
       One that the same tick has started before is asked as well.
    6. The same holds after `stop()`, but `gave_up` stays False.
    7. A pid that is not one of its own is nobody's death. And a pid that has been
       reaped is never terminated: it may be a stranger's by now.
    8. Each process is asked to end once.

    gave_up, is_over: see rule 5; and whether it has given up or been stopped, and all
    its processes are dead. In a pause it is not over. Attributes or properties, as you
    like.

    Example, with one slot: the process that is started at second 100 dies at 103.

        >>> supervisor.tick()    # at 103: starts none
        1.0
        >>> supervisor.tick()    # at 103.5, for a signal has come: starts none
        0.5
        >>> supervisor.tick()    # at 104: starts another
    """

    def __init__(self, slots: int, system: System) -> None:
        self._system = system
        self._slots = slots
        self._slot_of: dict[int, int] = {}  # by pid: those that run
        self.gave_up = False
        self.is_over = False

    def tick(self) -> float | None:
        """See to the dead, start what is due, and say when to look again.

        Returns the seconds until the next start is due; None if there is none to come.
        """
        # TODO: this replaces at once what dies at once, and does so for ever. It sees
        # one death in a tick, takes a stranger's for its own, and cannot be stopped.
        if not self._slot_of:
            for slot in range(self._slots):
                self._slot_of[self._system.spawn(slot)] = slot
        elif (pid := self._system.reap()) is not None:
            slot = self._slot_of.pop(pid, 0)
            self._slot_of[self._system.spawn(slot)] = slot
        return None

    def stop(self) -> None:
        """End all processes, and start none. It may be called more than once."""
