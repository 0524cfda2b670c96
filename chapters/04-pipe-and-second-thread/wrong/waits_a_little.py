"""Waits a fifth of a second for a byte that does not come.

Breaks: Returns at once, also if there was nothing to drain
Refused by: test_at_once
Told: a pause in there, or a timeout
"""

import contextlib
import os
import select


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
            while select.select([self._reader], [], [], 0.2)[0]:
                os.read(self._reader, 4096)

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
