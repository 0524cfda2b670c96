"""A worker that outlives what it is given to do: an answer."""

import queue
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


#: What the workers take from: connections, and a None for each worker to end it.
Jobs = queue.SimpleQueue[Connection | None]
Report = Callable[[BaseException], object]


def work(jobs: Jobs, handle: Callable[[Connection], object], report: Report) -> None:
    """Serve one connection after another; see exercise.py for the contract."""
    # Outside of any try: what ends the worker must not be taken for a handler's error.
    while (connection := jobs.get()) is not None:
        attempt(report, handle, connection)
        attempt(report, connection.close)


def attempt(report: Report, call: Callable[..., object], *args: object) -> None:
    """Call it. Nothing that it raises comes out of here; it is reported."""
    try:
        call(*args)
    except BaseException as error:  # SystemExit is no Exception
        try:
            report(error)
        except BaseException:
            pass  # nobody is left to tell
