"""When to replace a process that has died: at once, unless it does nothing but die."""

# One that dies after it has been ready for so long is replaced at once.
STEADY_S = 1.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0


class Backoff:
    """One that dies again and again is started again and again, after pauses that are
    twice as long each time. It is never given up: what it lacks (a file, memory, a
    database) may come back."""

    def __init__(self) -> None:
        self._next_pause_s = FIRST_PAUSE_S

    def pause_s(self, lived_s: float) -> float:
        """How long to wait. lived_s: how long it was ready; 0 if it never was."""
        if lived_s >= STEADY_S:
            self._next_pause_s = FIRST_PAUSE_S
            return 0.0
        pause_s = self._next_pause_s
        self._next_pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s
