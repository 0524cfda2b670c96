"""Guards the handler, and not what follows it.

Breaks: and the worker goes on
Refused by: test_close_raises
Told: Unguarded, it ends the worker
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
            except BaseException:
                pass
        finally:
            connection.close()
