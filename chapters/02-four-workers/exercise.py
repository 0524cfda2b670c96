"""A worker that outlives what it is given to do.

Work in this file. `pytest chapters/02-four-workers` checks it.
"""

import queue
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    def close(self) -> object: ...


#: What the workers take from: connections, and a None for each worker to end it.
Jobs = queue.SimpleQueue[Connection | None]


def work(
    jobs: Jobs,
    handle: Callable[[Connection], object],
    report: Callable[[BaseException], object],
) -> None:
    """Serve one connection after another. Each worker is a thread that runs this, and
    it does all of it itself.

    `jobs.get()` sleeps until there is a job, and takes it from the queue; this is all
    that a worker does with the queue. For a connection it calls `handle(connection)`,
    then `connection.close()`, once, whatever `handle` does. Then comes the next job.

    Whatever `handle` or `close` raises is given to `report`, each exception once and
    before the next job is asked for, and the worker goes on: also SystemExit, as an
    application that calls `sys.exit()` is not to end a worker. What `report` raises is
    dropped, whatever it is; nobody is left to tell.

    Only a None ends this worker, and this one alone: `work` returns, and leaves in the
    queue what stands behind it. What `jobs.get()` itself raises comes out of `work` as
    it is.

    Example, where the handler raises KeyError("no such page") for the connection `bad`:

        >>> for job in (bad, good, None):
        ...     jobs.put(job)
        >>> errors = []
        >>> work(jobs, handle, errors.append)
        >>> errors
        [KeyError('no such page')]

    and both connections have been closed.
    """
    while (connection := jobs.get()) is not None:
        # TODO: what if this raises? And what if close() does?
        handle(connection)
        connection.close()
