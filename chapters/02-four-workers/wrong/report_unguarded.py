"""Takes it for granted that a report succeeds.

Breaks: What `report` raises is dropped, whatever it is
Refused by: test_report_raises
Told: Now report() has ended the worker
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
            report(error)
        finally:
            try:
                connection.close()
            except BaseException as error:
                report(error)
