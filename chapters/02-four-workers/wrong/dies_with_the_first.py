"""Closes whatever happens, and lets the exception go on its way.

Breaks: and the worker goes on
Refused by: test_handler_raises
Told: An exception that leaves the loop ends the thread
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
        finally:
            connection.close()
