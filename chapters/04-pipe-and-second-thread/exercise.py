"""Write a pipe that wakes another thread from `select()`.

Work in this file. `pytest chapters/04-pipe-and-second-thread` checks it.
"""

import os


class WakePipe:
    r"""Ends a `select()` in which another thread sleeps.

    The sleeper watches the pipe for reading, and goes round in a loop:

        select.select([pipe, ...], [], [])
        pipe.drain()
        # then it looks for work, and does all that is there

    The others put work where it will look, and call `wake()` after that.

    Example:

        >>> pipe = WakePipe()
        >>> pipe.wake()
        >>> pipe.wake()
        >>> select.select([pipe], [], [], 0)[0] == [pipe]
        True
        >>> pipe.drain()
        >>> select.select([pipe], [], [], 0)
        ([], [], [])

    The descriptors that `os.pipe()` gives are blocking: a call waits where there is
    nothing to read, or no room to write. After `os.set_blocking(descriptor, False)` it
    raises BlockingIOError instead.
    """

    def __init__(self) -> None:
        # TODO: calls of this pipe wait, drain() leaves bytes behind, and close()
        # forgets that the numbers will be used for other descriptors.
        self._reader, self._writer = os.pipe()

    def fileno(self) -> int:
        """The descriptor to watch for reading: one number until `close()`, then -1."""
        return self._reader

    def wake(self) -> None:
        """Make the descriptor readable.

        Returns at once, without a pause or a timeout, however often it was called since
        the last `drain()`. After `close()` it does nothing.

        Threads call this, and signal handlers. A signal handler runs in the main
        thread, between any two of its instructions: also in the middle of `wake()` or
        `drain()`. So neither of them takes a lock, for its own thread may hold it.
        """
        os.write(self._writer, b"\0")

    def drain(self) -> None:
        """Make the descriptor unreadable, however often `wake()` was called.

        Returns at once, also if there was nothing to drain. After `close()` it does
        nothing. Only the sleeper calls this.

        A wake that comes while this runs may be drained with the others, because the
        sleeper looks for work next. Each wake after it makes the descriptor readable.
        """
        os.read(self._reader, 1)

    def close(self) -> None:
        """Free all descriptors. May be called again, and does nothing then.

        Only the sleeper calls this, at its end. Others may wake it after that.
        """
        os.close(self._reader)
        os.close(self._writer)
