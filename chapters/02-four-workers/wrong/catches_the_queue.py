"""Has get() in the try, too, and so nothing can end it.

Breaks: What `jobs.get()` itself raises comes out of `work` as it is
Refused by: test_error_of_the_queue
Told: and turns for ever
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
            report(error)
        except BaseException:
            pass


def work(
    jobs: Jobs,
    handle: Callable[[Connection], object],
    report: Callable[[BaseException], object],
) -> None:
    while True:
        try:
            connection = jobs.get()
            if connection is None:
                return
            attempt(report, handle, connection)
            attempt(report, connection.close)
        except Exception as error:
            report(error)
