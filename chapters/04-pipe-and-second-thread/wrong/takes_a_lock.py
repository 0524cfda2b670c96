"""Guards its flag with a lock: a signal handler waits for it for ever.

Breaks: So neither of them takes a lock, for its own thread may hold it
Refused by: test_wake_during_drain
Told: that lock is never freed
"""

import contextlib
import os
import threading


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._woken = False
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        with self._lock:
            if not self._woken:
                self._woken = True
                with contextlib.suppress(OSError):
                    os.write(self._writer, b"\0")

    def drain(self) -> None:
        with self._lock:
            self._woken = False
            with contextlib.suppress(OSError):
                os.read(self._reader, 65_536)

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
