"""Threads that run handlers, for a loop that must not be kept waiting by them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from steps.http11 import Request
from steps.step04.wake_pipe import WakePipe

# How long `stop()` waits for a handler that is running, in seconds.
STOP_WAIT_S = 2.0

Owner = TypeVar("Owner")  # whose request it is: for the loop, a connection
Result = TypeVar("Result")  # what a handler makes of a request: here, a response


class WorkerPool(Generic[Owner, Result]):
    """The loop puts jobs in and takes results out; the threads run handlers between the
    two, and touch no socket. When a result comes while the loop sleeps, `wake_pipe`
    becomes readable, which wakes the loop if it watches it.

    count: of threads; 0: the loop calls `handle` by itself.
    """

    def __init__(
        self, count: int, capacity: int, handle: Callable[[Owner, Request], Result]
    ) -> None:
        self.wake_pipe = WakePipe()
        self.count = count
        self.handle = handle
        # How many more jobs may come. A job keeps its place until the loop has
        # collected its result: so the results that wait are bounded as well.
        self._places_left = capacity
        self.is_full = False
        self._submitted: list[tuple[Owner, Request]] = []  # of this round
        self._jobs: SimpleQueue[tuple[Owner, Request] | None] = SimpleQueue()
        self._lock = threading.Lock()  # for these two
        self._results: deque[tuple[Owner, Request, Result]] = deque()
        self._loop_sleeps = False
        self._threads = [
            # A daemon: the program waits for all other threads before it ends, and a
            # handler that never returns would keep it for ever.
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, owner: Owner, request: Request) -> None:
        self._places_left -= 1
        self.is_full = self._places_left == 0
        self._submitted.append((owner, request))

    # [hand-over]
    def hand_over(self) -> None:
        """Give the workers what has been submitted: at the end of a round, all at once.

        A worker that wakes wants the GIL. If it woke in the middle of the round, it
        would get the GIL at the loop's next system call, and the loop would wait until
        it is given back.
        """
        for job in self._submitted:
            self._jobs.put(job)
        self._submitted.clear()

    # [/hand-over]

    # [wake]
    def may_sleep(self) -> bool:
        """Whether no result waits. Ask before every `select()`, and call `results()`
        after it.

        The loop looks for results and says that it sleeps; a worker puts its result
        there and looks whether the loop sleeps. Each does both under the lock, so one
        comes after the other and knows what that one did. Without it, a result could
        come between the loop's look and its word: nobody would wake the loop.
        """
        with self._lock:
            self._loop_sleeps = not self._results
            return self._loop_sleeps

    def results(self) -> Iterator[tuple[Owner, Request, Result]]:
        """Collect all results, also those that come while the first are dealt with."""
        self._loop_sleeps = False  # a worker that has just seen it wakes it in vain
        while self._results:
            self._places_left += 1
            self.is_full = False
            yield self._results.popleft()

    # [put]
    def _put(self, owner: Owner, request: Request, result: Result) -> None:
        with self._lock:
            self._results.append((owner, request, result))
            sleeps, self._loop_sleeps = self._loop_sleeps, False
        if sleeps:
            self.wake_pipe.wake()

    # [/put]
    # [/wake]

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            owner, request = job
            self._put(owner, request, self.handle(owner, request))
            del job, owner, request  # or they stay in memory until the next job comes

    def stop(self, wait_s: float = STOP_WAIT_S) -> None:
        """End the threads, except those whose handlers do not return by then."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + min(wait_s, STOP_WAIT_S)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.wake_pipe.close()
