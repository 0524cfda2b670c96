"""Catches SystemExit, which is not all that is no Exception.

Breaks: also SystemExit, as an application that calls `sys.exit()` is not to end a
worker
Refused by: test_system_exit
Told: KeyboardInterrupt is no Exception
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
    except (Exception, SystemExit) as error:
        try:
            report(error)
        except (Exception, SystemExit):
            pass


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    while (connection := jobs.get()) is not None:
        attempt(report, handle, connection)
        attempt(report, connection.close)
