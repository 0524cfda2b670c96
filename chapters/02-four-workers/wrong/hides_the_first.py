"""Lets an error of close() take the place of the handler's.

Breaks: Whatever `handle` or `close` raises is given to `report`
Refused by: test_close_raises
Told: The second error has hidden the first
"""

import contextlib
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
            with contextlib.closing(connection):
                handle(connection)
        except BaseException as error:
            try:
                report(error)
            except BaseException:
                pass
