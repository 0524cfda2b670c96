"""Calls itself for the next job.

Breaks: Serve one connection after another
Refused by: test_many_jobs
Told: A function that calls itself for the next job
"""

import queue
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


Jobs = queue.SimpleQueue[Connection | None]
Report = Callable[[BaseException], object]


def attempt(report: Report, call: Callable[..., object], *args: object) -> None:
    try:
        call(*args)
    except BaseException as error:
        try:
            report(error)
        except BaseException:
            pass


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    connection = jobs.get()
    if connection is not None:
        attempt(report, handle, connection)
        attempt(report, connection.close)
        work(jobs, handle, report)
