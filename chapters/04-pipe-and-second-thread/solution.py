"""A pipe that wakes another thread from `select()`: an answer."""

import contextlib
import os


class WakePipe:
    """Ends a `select()` in which another thread sleeps; see exercise.py."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """The descriptor to watch for reading: one number until `close()`, then -1."""
        return self._reader

    def wake(self) -> None:
        """Make the descriptor readable."""
        # Full: it is readable, and that is all that was wanted. Closed: nobody sleeps.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        """Make the descriptor unreadable, however often `wake()` was called."""
        # The error is how the loop ends: nothing is left. Or the pipe is closed.
        with contextlib.suppress(OSError):
            while True:
                os.read(self._reader, 4096)

    def close(self) -> None:
        """Free both descriptors. May be called again."""
        ends = {self._reader, self._writer} - {-1}
        # First, so that no wake() can write into a stranger that gets the number.
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
