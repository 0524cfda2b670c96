"""Waits for its lock for a while only, and goes on without it.

Breaks: So neither of them takes a lock, for its own thread may hold it
Refused by: test_wake_during_drain
Told: a lock with a timeout perhaps
"""

import contextlib
import os
import threading


class WakePipe:
    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        held = self._lock.acquire(timeout=0.2)
        with contextlib.suppress(OSError):
            os.write(self._writer, b"\0")
        if held:
            self._lock.release()

    def drain(self) -> None:
        held = self._lock.acquire(timeout=0.2)
        with contextlib.suppress(OSError):
            while True:
                os.read(self._reader, 4096)
        if held:
            self._lock.release()

    def close(self) -> None:
        ends = {self._reader, self._writer} - {-1}
        self._reader = self._writer = -1
        for end in ends:
            os.close(end)
