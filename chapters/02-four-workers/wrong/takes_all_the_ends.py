"""Empties the queue at its end, with what is meant for others.

Breaks: this is all that a worker does with the queue
Refused by: test_ends_alone
Told: The second None is another worker's
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
    while (connection := jobs.get()) is not None:
        attempt(report, handle, connection)
        attempt(report, connection.close)
    while not jobs.empty():
        jobs.get()
