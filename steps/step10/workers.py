"""Threads that run handlers, for a loop that must not be kept waiting by them."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from steps.app import Application, answer
from steps.http11 import Request, Response
from steps.step04.wake_pipe import WakePipe

# How long `stop()` waits for a handler that is running, in seconds.
STOP_WAIT_S = 2.0

Owner = TypeVar("Owner")  # what the loop knows a request by: its connection


class WorkerPool(Generic[Owner]):
    """Jobs go in and results come out, both at the loop's side; the threads touch no
    socket. `wake_pipe` is readable when a result came while the loop slept.
    """

    def __init__(self, count: int, capacity: int, app: Application) -> None:
        self.wake_pipe = WakePipe()
        self._app = app
        self._room = capacity  # for jobs whose results have not been collected
        self._submitted: list[tuple[Owner, Request]] = []  # and not handed over yet
        self._jobs: SimpleQueue[tuple[Owner, Request] | None] = SimpleQueue()
        self._results: deque[tuple[Owner, Request, Response]] = deque()
        self._loop_sleeps = False
        self._threads = [
            # A daemon, for a handler that never returns cannot be ended.
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_full(self) -> bool:
        return self._room <= 0

    def submit(self, owner: Owner, request: Request) -> None:
        self._room -= 1
        self._submitted.append((owner, request))

    # [hand-over]
    def hand_over(self) -> None:
        """Give the workers what has been submitted: at the end of a round, all at once.

        A worker that wakes wants the GIL. Would it wake in the middle of the round, it
        would get the GIL at the loop's next system call, and the loop would wait.
        """
        for job in self._submitted:
            self._jobs.put(job)
        self._submitted.clear()

    # [/hand-over]

    # [wake]
    def may_sleep(self) -> bool:
        """To be asked before every `select()`; to be followed by `results()`.

        First the flag, then the look. A worker does it the other way round: so either
        the loop sees the result, or the worker sees that the loop sleeps.
        """
        self._loop_sleeps = True
        return not self._results

    def results(self) -> Iterator[tuple[Owner, Request, Response]]:
        """All that have come; more may come meanwhile."""
        self._loop_sleeps = False
        while self._results:
            self._room += 1
            yield self._results.popleft()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            owner, request = job
            self._results.append((owner, request, answer(self._app, request)))
            del job, owner, request  # their memory, while there is nothing to do
            if self._loop_sleeps:
                self.wake_pipe.wake()

    # [/wake]

    def stop(self) -> None:
        """End the threads, except one whose handler does not return."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + STOP_WAIT_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.wake_pipe.close()
