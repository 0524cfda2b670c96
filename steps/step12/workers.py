"""Threads that run handlers whose answers may come in pieces."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from steps.http11 import Request
from steps.step04.wake_pipe import WakePipe
from steps.step09.connection import OPEN
from steps.step10.workers import STOP_WAIT_S
from steps.step12.connection import Answer, Connection, Pieces

# What a worker has for the loop: a connection, bytes to send there, and, if they are
# the last of the answer, whether the connection can be kept, else None.
Result = tuple[Connection, bytes, bool | None]

log = logging.getLogger(__name__)


class Gone(Exception):  # noqa: N818 - not an error: a client may do that
    """There is nobody to send to any more."""


# [pool]
class WorkerPool:
    """As in step 10, but a worker may send an answer in pieces. Before each it waits
    until the client has read enough of those before: so a client that reads slowly
    occupies a worker, but does not fill the memory."""

    def __init__(
        self,
        count: int,
        capacity: int,
        handle: Callable[[Connection, Request], Answer],
    ) -> None:
        self.wake_pipe = WakePipe()
        self._handle = handle
        self._room = capacity  # for requests; each has its place until its last result
        self.is_full = False
        self._submitted: list[tuple[Connection, Request]] = []
        self._jobs: SimpleQueue[tuple[Connection, Request] | None] = SimpleQueue()
        self._results: deque[Result] = deque()
        self._loop_sleeps = False
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, connection: Connection, request: Request) -> None:
        self._room -= 1
        self.is_full = self._room <= 0
        self._submitted.append((connection, request))

    def hand_over(self) -> None:
        for job in self._submitted:
            self._jobs.put(job)
        self._submitted.clear()

    def may_sleep(self) -> bool:
        self._loop_sleeps = True
        return not self._results

    def results(self) -> Iterator[Result]:
        self._loop_sleeps = False
        while self._results:
            result = self._results.popleft()
            if result[2] is not None:  # it is the last of its answer
                self._room += 1
                self.is_full = False
            yield result

    def send(self, connection: Connection, data: bytes) -> None:
        """Send a piece of an answer. For workers: it blocks until there is room.

        If the connection is closed meanwhile, close() releases the lock, and this
        worker must see that: there is nobody to send to.
        """
        if connection.room is None:
            connection.room = threading.Lock()
        connection.room.acquire()  # the loop releases it, in make_room()
        if connection.state is not OPEN:
            raise Gone
        self._results.append((connection, data, None))
        if self._loop_sleeps:
            self.wake_pipe.wake()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            connection, request = job
            data, keep, pieces = self._handle(connection, request)
            if pieces is not None:
                data, keep = b"", self._send_all(connection, data, pieces)
            self._results.append((connection, data, keep))
            if self._loop_sleeps:
                self.wake_pipe.wake()
            del job, connection, request, data, pieces  # or they stay in memory

    def _send_all(self, connection: Connection, piece: bytes, pieces: Pieces) -> bool:
        """Send an answer to its end. Return whether the connection can be kept."""
        try:
            while True:
                self.send(connection, piece)
                piece = next(pieces)
        except StopIteration as end:
            return bool(end.value)
        except Gone:
            pass
        except BaseException:
            log.exception("an answer has broken off")
        finally:
            pieces.close()
        return False

    # [/pool]

    def stop(self, wait_s: float) -> None:
        """End the threads, except those whose handlers do not return by then."""
        for _ in self._threads:
            self._jobs.put(None)
        end = time.monotonic() + min(wait_s, STOP_WAIT_S)
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.wake_pipe.close()
