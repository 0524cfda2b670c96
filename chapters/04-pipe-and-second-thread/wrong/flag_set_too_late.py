"""Sets its flag after it has written: the sleeper may have read by then.

Breaks: Make the descriptor readable
Refused by: test_drain_during_wake
Told: The sleeper was quicker
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
            with contextlib.suppress(OSError):
                os.write(self._writer, b"\0")
            self._woken = True

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self._reader, 65_536)
        self._woken = False

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
