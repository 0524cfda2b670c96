"""Reports an error where it happens, and once more outside.

Breaks: each exception once and before the next job
Refused by: test_reported
Told: reported twice looks like two
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


def serve(
    connection: Connection, handle: Callable[[Connection], object], report: Report
) -> None:
    try:
        handle(connection)
    except BaseException as error:
        attempt(report, report, error)
        raise
    finally:
        attempt(report, connection.close)


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    while (connection := jobs.get()) is not None:
        attempt(report, serve, connection, handle, report)
