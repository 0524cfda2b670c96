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
        """Call it from any thread, *after* putting the work where the sleeper looks:
        woken before that, it could look, find nothing, and go back to sleep."""
        # A full pipe wakes the sleeper anyway; a closed one has no sleeper any more.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        """Call it *before* looking for work: after the look, it could take the byte of
        work that has come since, and nobody would look for that work."""
        with contextlib.suppress(BlockingIOError):  # empty
            os.read(self._reader, PIPE_BYTES)

    # [/pipe]

    def close(self) -> None:
        reader, writer = self._reader, self._writer
        # From here on a wake() that comes too late writes to -1, and fails. The kernel
        # may give the number of the closed pipe to another file or socket at once, and
        # the byte would go there.
        self._reader = self._writer = -1
        os.close(reader)
        os.close(writer)
