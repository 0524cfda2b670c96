"""Tries a report again that has failed.

Breaks: What `report` raises is dropped, whatever it is
Refused by: test_report_raises
Told: is not tried again, nor is its own error reported
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
            try:
                report(error)
            except BaseException:
                pass


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    while (connection := jobs.get()) is not None:
        attempt(report, handle, connection)
        attempt(report, connection.close)
