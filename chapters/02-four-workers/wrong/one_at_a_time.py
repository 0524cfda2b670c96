"""Lets one worker work at a time.

Breaks: Serve one connection after another
Refused by: test_four_workers
Told: Something lets one worker into handle() at a time
"""

import queue
import threading
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


Jobs = queue.SimpleQueue[Connection | None]
lock = threading.Lock()


def attempt(
    report: Callable[[BaseException], object],
    call: Callable[..., object],
    *args: object,
) -> None:
    try:
        call(*args)
    except BaseException as error:
        try:
            report(error)
        except BaseException:
            pass


def work(
    jobs: Jobs,
    handle: Callable[[Connection], object],
    report: Callable[[BaseException], object],
) -> None:
    while (connection := jobs.get()) is not None:
        with lock:
            attempt(report, handle, connection)
            attempt(report, connection.close)
