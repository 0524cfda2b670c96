"""Catches Exception, which is not all that a handler can raise.

Breaks: also SystemExit, as an application that calls `sys.exit()` is not to end a
worker
Refused by: test_system_exit
Told: SystemExit is no Exception
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
        except Exception as error:
            try:
                report(error)
            except Exception:
                pass
        finally:
            try:
                connection.close()
            except Exception as error:
                try:
                    report(error)
                except Exception:
                    pass
