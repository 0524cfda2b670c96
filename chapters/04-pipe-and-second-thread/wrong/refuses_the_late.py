"""Raises an error in a worker that finishes late.

Breaks: After `close()` it does nothing
Refused by: test_after_close
Told: A worker that finishes late
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
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"\0")

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                os.read(self._reader, 4096)

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
