"""Closes where nothing went wrong, and only there.

Breaks: then `connection.close()`, once, whatever `handle` does
Refused by: test_handler_raises
Told: Nobody else closes this connection
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
            connection.close()
        except BaseException as error:
            try:
                report(error)
            except BaseException:
                pass
