"""Takes an empty queue for the end.

Breaks: this is all that a worker does with the queue
Refused by: test_sleeps
Told: An empty queue is not the end
"""

import queue
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
    while not jobs.empty():
        connection = jobs.get()
        if connection is None:
            return
        attempt(report, handle, connection)
        attempt(report, connection.close)
