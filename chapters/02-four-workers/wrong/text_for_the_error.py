"""Reports what the exception says, and not the exception.

Breaks: Whatever `handle` or `close` raises is given to `report`
Refused by: test_reported
Told: report() gets the exception itself
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
            report(RuntimeError(f"a worker failed: {error}"))
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
