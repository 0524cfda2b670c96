"""Closes where something went wrong, and then once more, as always.

Breaks: then `connection.close()`, once, whatever `handle` does
Refused by: test_handler_raises
Told: What is closed a second time may be another client's
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
        except BaseException as error:
            try:
                report(error)
            finally:
                connection.close()
        finally:
            connection.close()
