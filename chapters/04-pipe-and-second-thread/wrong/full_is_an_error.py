"""Lets the error through that says that the pipe is full.

Breaks: Returns at once, without a pause or a timeout, however often it was called
Refused by: test_wakes_in_droves
Told: A full pipe is readable
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
        if self._writer != -1:
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
