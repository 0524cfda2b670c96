"""Tries again after a pause when the pipe is full.

Breaks: Returns at once, without a pause or a timeout, however often it was called
Refused by: test_at_once
Told: wake() is called for each job
"""

import contextlib
import os
import time


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        for _ in range(10):
            try:
                os.write(self._writer, b"\0")
                return
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                return

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                os.read(self._reader, 4096)

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
