"""Passes over a None as over a job that is void.

Breaks: Only a None ends this worker, and this one alone
Refused by: test_one_after_another
Told: it ends the worker
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
    while True:
        connection = jobs.get()
        if connection is None:
            continue
        attempt(report, handle, connection)
        attempt(report, connection.close)
