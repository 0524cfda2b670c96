"""Looks into the queue again and again, with a pause.

Breaks: sleeps until there is a job
Refused by: test_sleeps
Told: Looking again and again
"""

import queue
import time
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


Jobs = queue.SimpleQueue[Connection | None]


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
    while True:
        try:
            connection = jobs.get_nowait()
        except queue.Empty:
            time.sleep(0.001)
            continue
        if connection is None:
            return
        attempt(report, handle, connection)
        attempt(report, connection.close)
