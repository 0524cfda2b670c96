"""Catches everything, and tells nobody.

Breaks: Whatever `handle` or `close` raises is given to `report`
Refused by: test_reported
Told: An exception that is swallowed
"""

import queue
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


Jobs = queue.SimpleQueue[Connection | None]


def work(
    jobs: Jobs,
    handle: Callable[[Connection], object],
    report: Callable[[BaseException], object],
) -> None:
    while (connection := jobs.get()) is not None:
        try:
            handle(connection)
        except BaseException:
            pass
        try:
            connection.close()
        except BaseException:
            pass
