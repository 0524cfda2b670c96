"""Closes the end that is watched, and forgets the other.

Breaks: Free all descriptors
Refused by: test_close_frees_all
Told: A pipe has two ends
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
            while True:
                os.read(self._reader, 4096)

    def close(self) -> None:
        if self._reader != -1:
            os.close(self._reader)
        self._reader = self._writer = -1
