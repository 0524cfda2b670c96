"""End another thread's `select()`: write a byte to a pipe that it watches."""

import contextlib
import os
import threading

# The most that a pipe holds on Linux and macOS, so that one read empties it.
PIPE_BYTES = 65_536


# [pipe]
class WakePipe:
    """`wake()` makes the pipe readable, `drain()` empties it; neither blocks."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._lock = threading.Lock()  # for what follows
        self._woken = False  # a byte is in the pipe, or on its way

    def fileno(self) -> int:
        """The descriptor to watch for reading."""
        return self._reader

    def wake(self) -> None:
        """Call it from any thread, *after* putting the work where the sleeper looks:
        woken before that, it could look, find nothing, and go back to sleep."""
        with self._lock:
            if self._woken:
                return  # one byte is enough: the sleeper reads it, and then looks
            self._woken = True
        # A full pipe wakes the sleeper anyway; a closed one has no sleeper any more.
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        """Call it *before* looking for work: after the look, it could take the byte of
        work that has come since, and nobody would look for that work."""
        # No wake() may come between the two. If it saw the flag when its byte is read
        # already, it would write none, and the sleeper would not hear of its work.
        with self._lock:
            with contextlib.suppress(BlockingIOError):  # empty
                os.read(self._reader, PIPE_BYTES)
            self._woken = False

    # [/pipe]

    def close(self) -> None:
        reader, writer = self._reader, self._writer
        # From here on a wake() that comes too late writes to -1, and fails. The kernel
        # may give the number of the closed pipe to another file or socket at once, and
        # the byte would go there.
        self._reader = self._writer = -1
        os.close(reader)
        os.close(writer)
