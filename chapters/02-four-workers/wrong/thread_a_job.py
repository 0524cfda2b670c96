"""Starts a thread for each job.

Breaks: it does all of it itself
Refused by: test_one_after_another
Told: nothing that limits them
"""

import queue
import threading
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


Jobs = queue.SimpleQueue[Connection | None]
Report = Callable[[BaseException], object]


def attempt(report: Report, call: Callable[..., object], *args: object) -> None:
    try:
        call(*args)
    except BaseException as error:
        try:
            report(error)
        except BaseException:
            pass


def serve(
    connection: Connection, handle: Callable[[Connection], object], report: Report
) -> None:
    attempt(report, handle, connection)
    attempt(report, connection.close)


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    while (connection := jobs.get()) is not None:
        threading.Thread(target=serve, args=(connection, handle, report)).start()
