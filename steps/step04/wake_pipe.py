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
        self._woken = False  # a byte is in the pipe, or about to be

    def fileno(self) -> int:
        """The descriptor to watch for reading."""
        return self._reader

    def wake(self) -> None:
        """From any thread, *after* putting the work where the sleeper will look."""
        if self._woken:
            return  # one byte is enough: the sleeper reads it, and then looks
        self._woken = True
        # Full: the sleeper will wake anyway. Closed: it is gone.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        """*Before* looking for work: what comes later wakes anew."""
        with contextlib.suppress(BlockingIOError):  # empty
            os.read(self._reader, PIPE_BYTES)
        # Not before the read: it could take the byte of a wake() that came in between,
        # and every later wake() would rely on that byte.
        self._woken = False

    # [/pipe]

    def close(self) -> None:
        reader, writer = self._reader, self._writer
        # A late wake() must not write into a stranger that is given the same number.
        self._reader = self._writer = -1
        os.close(reader)
        os.close(writer)
