"""Asks whether a job is true, and not whether it is None.

Breaks: Only a None ends this worker, and this one alone
Refused by: test_falsy_connection
Told: and no connection, whatever its bool() says
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
    while connection := jobs.get():
        attempt(report, handle, connection)
        attempt(report, connection.close)
