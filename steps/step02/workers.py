"""A pool of threads that serve connections, one at a time each."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from steps.step01.connection import Connection

# How long `stop()` waits for the workers. A thread cannot be ended from outside: one in
# a handler that does not return is left alone, and ends with the process.
STOP_WAIT_S = 2.0

AnyConnection = TypeVar("AnyConnection", bound=Connection)

log = logging.getLogger(__name__)


class WorkerPool(Generic[AnyConnection]):
    """`count` threads, each calling `serve(connection)` for one job after another.

    `serve` owns the connection until it returns, and closes it or hands it on.
    """

    def __init__(self, count: int, serve: Callable[[AnyConnection], None]) -> None:
        self._serve = serve
        # The queue has no bound, so put() never makes the loop wait for a worker. It
        # wakes one of the workers that sleep in get().
        self._jobs: queue.SimpleQueue[AnyConnection | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # for these two
        self._in_service: set[AnyConnection] = set()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{n}", daemon=True)
            for n in range(1, count + 1)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, connection: AnyConnection) -> None:
        """Leave a connection to the first worker that is free. Returns at once."""
        self._jobs.put(connection)

    def stop(self) -> None:
        """End the workers: what they are receiving or sending is cut off."""
        with self._lock:
            self._stopping = True
            in_service = self._in_service.copy()
        for connection in in_service:
            connection.interrupt()
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + STOP_WAIT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # [work]
    def _work(self) -> None:
        while (connection := self._jobs.get()) is not None:
            # stop() holds the lock while it sets the flag and sees what is in service.
            # If that comes first, the flag is set here; if this comes first, stop()
            # sees the connection. So one of the two is sure to interrupt. Else the
            # worker could wait for its client as long as the client likes.
            with self._lock:
                self._in_service.add(connection)
                stopping = self._stopping
            if stopping:
                connection.interrupt()
            try:
                self._serve(connection)
            except Exception:
                log.exception("a worker failed; it goes on with the next connection")
                connection.close()
            finally:
                with self._lock:
                    self._in_service.discard(connection)

    # [/work]
