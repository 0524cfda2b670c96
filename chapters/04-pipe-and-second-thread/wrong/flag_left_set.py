"""Clears its flag at a place that is never reached: an error ends the loop.

Breaks: Make the descriptor readable
Refused by: test_drain_and_again
Told: whichever way drain() is left
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
        try:
            while os.read(self._reader, 4096):
                pass
            self._woken = False
        except OSError:
            pass

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
