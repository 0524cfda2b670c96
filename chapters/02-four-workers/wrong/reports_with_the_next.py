"""Keeps the errors of a job, and reports them when it has the next.

Breaks: before the next job is asked for
Refused by: test_reported_at_once
Told: sleeps in get() with an error that it has not told
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
    while True:
        connection = jobs.get()
        while errors:
            try:
                report(errors.pop(0))
            except BaseException:
                pass
        if connection is None:
            return
        for call in (handle, type(connection).close):
            try:
                call(connection)
            except BaseException as error:
                errors.append(error)
