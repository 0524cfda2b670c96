"""When to replace a process that has died: at once, unless it does nothing but die."""

# One that has been ready for so long was no failure.
STEADY_S = 1.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0


# [backoff]
class Backoff:
    """A process that cannot live is tried again, each time after twice as long. There
    is no last time: what it lacks (a file, memory, a database) may come back."""

    def __init__(self) -> None:
        self._next_pause_s = FIRST_PAUSE_S

    def pause_s(self, lived_s: float) -> float:
        """How long to wait. lived_s: since it was ready; 0 if it never was."""
        if lived_s >= STEADY_S:
            self._next_pause_s = FIRST_PAUSE_S
            return 0.0
        pause_s = self._next_pause_s
        self._next_pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s


# [/backoff]
