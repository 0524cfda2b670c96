"""Clears its flag before it reads: the read may take the byte of a later wake.

Breaks: Each wake after it makes the descriptor readable
Refused by: test_wake_during_drain
Told: drain() cleared the flag, wake() set it and wrote
"""

import contextlib
import os


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._woken = False

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):
                os.write(self._writer, b"\0")

    def drain(self) -> None:
        self._woken = False
        with contextlib.suppress(OSError):
            os.read(self._reader, 65_536)

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
