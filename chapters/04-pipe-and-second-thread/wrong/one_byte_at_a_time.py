"""Drains one byte, however many there are.

Breaks: Make the descriptor unreadable, however often `wake()` was called
Refused by: test_drain_and_again
Told: drain() has left bytes in the pipe
"""

import contextlib
import os


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self._reader, 1)

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
