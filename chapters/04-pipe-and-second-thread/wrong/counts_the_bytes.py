"""Reads as many bytes as it has counted: a race that mostly passes.

Breaks: Make the descriptor unreadable, however often `wake()` was called
Refused by: test_wake_during_drain
Told: What it reads must not depend on a count
"""

import contextlib
import os


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._bytes = 0

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            self._bytes += os.write(self._writer, b"\0")

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self._reader, self._bytes)
        self._bytes = 0

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
