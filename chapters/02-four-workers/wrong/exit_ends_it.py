"""Reports a SystemExit, and then does what it says.

Breaks: also SystemExit, as an application that calls `sys.exit()` is not to end a
worker
Refused by: test_system_exit
Told: no error does
"""

import queue
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


Jobs = queue.SimpleQueue[Connection | None]
Report = Callable[[BaseException], object]


def attempt(report: Report, call: Callable[..., object], *args: object) -> bool:
    try:
        call(*args)
    except BaseException as error:
        try:
            report(error)
        except BaseException:
            pass
        return isinstance(error, SystemExit)
    return False


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    while (connection := jobs.get()) is not None:
        exits = attempt(report, handle, connection)
        attempt(report, connection.close)
        if exits:
            return
