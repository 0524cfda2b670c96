"""End another thread's `select()`: write a byte to a pipe that it watches."""

import contextlib
import os

# The most that a pipe holds on Linux and macOS, so that one read empties it.
PIPE_BYTES = 65_536


# [pipe]
class WakePipe:
    """`wake()` makes the pipe readable, `drain()` empties it; neither blocks."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """The descriptor to watch for reading."""
        return self._reader

    def wake(self) -> None:
        """From any thread, *after* putting the work where the sleeper will look."""
        # Full: the sleeper will wake anyway. Closed: it is gone.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        """*Before* looking for work: what comes later wakes anew."""
        with contextlib.suppress(BlockingIOError):  # empty
            os.read(self._reader, PIPE_BYTES)

    # [/pipe]

    def close(self) -> None:
        reader, writer = self._reader, self._writer
        # A late wake() must not write into a stranger that is given the same number.
        self._reader = self._writer = -1
        os.close(reader)
        os.close(writer)
