"""Keeps the errors, and reports them when the worker ends.

Breaks: each exception once and before the next job
Refused by: test_reported
Told: An error is told when it happens
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
    errors: list[BaseException] = []
    while (connection := jobs.get()) is not None:
        for call in (handle, type(connection).close):
            try:
                call(connection)
            except BaseException as error:
                errors.append(error)
    for late in errors:
        try:
            report(late)
        except BaseException:
            pass
