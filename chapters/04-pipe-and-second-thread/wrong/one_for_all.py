"""Has one pipe, in the class, for all that are made of it.

Breaks: Make the descriptor readable
Refused by: test_two_pipes
Told: there once, for all of them
"""

import contextlib
import os


class WakePipe:
    _reader, _writer = os.pipe()
    os.set_blocking(_reader, False)
    os.set_blocking(_writer, False)

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
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
