"""Keeps the numbers of closed descriptors: a late wake writes into a stranger.

Breaks: After `close()` it does nothing
Refused by: test_after_close
Told: who finds a byte too many
"""

import contextlib
import os


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._closed = False

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
        if not self._closed:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)
