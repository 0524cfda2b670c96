"""Threads that run handlers whose answers may come in pieces."""

import threading
from collections.abc import Iterator

from steps.app import report
from steps.http11 import Request
from steps.step09.connection import OPEN
from steps.step10 import workers
from steps.step13.connection import Answer, Connection, Pieces


class Gone(Exception):  # noqa: N818 - not an error: a client may do that
    """There is nobody to send to any more."""


# [pool]
class WorkerPool(workers.WorkerPool[Connection, Answer]):
    """As in step 10, but a worker may send an answer in pieces. Before each it waits
    until the client has read enough of those before: so a client that reads slowly
    occupies a worker, but does not fill the memory."""

    def results(self) -> Iterator[tuple[Connection, Request, Answer]]:
        """As in step 10; a request has its place until the last piece of its answer."""
        self._loop_sleeps = False
        while self._results:
            result = self._results.popleft()
            connection, _, (_, keep, _) = result
            if connection.state is not OPEN:
                connection.make_room()  # it may have been closed before it had a room
            if keep is not None:
                self._places_left += 1
                self.is_full = False
            yield result

    def send(self, connection: Connection, request: Request, data: bytes) -> None:
        """Send a piece of an answer. For workers: it blocks until there is room.

        If the connection is closed meanwhile, close() sets the event, and this worker
        must see that: there is nobody to send to.
        """
        if connection.room is None:
            connection.room = threading.Event()
            connection.room.set()
        room = connection.room
        room.wait()  # the loop sets it, in make_room()
        room.clear()
        if connection.state is not OPEN:
            raise Gone
        self._put(connection, request, (data, None, None))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            connection, request = job
            data, keep, pieces = self.handle(connection, request)
            if pieces is not None:
                data, keep = b"", self._send_all(connection, request, data, pieces)
            self._put(connection, request, (data, keep, None))
            del job, connection, request, data, pieces  # or they stay in memory

    def _send_all(
        self, connection: Connection, request: Request, piece: bytes, pieces: Pieces
    ) -> bool:
        """Send an answer to its end. Return whether the connection can be kept."""
        try:
            while True:
                self.send(connection, request, piece)
                piece = next(pieces)
        except StopIteration as end:
            return bool(end.value)
        except Gone:
            pass
        except BaseException:
            report("an answer has broken off")
        finally:
            pieces.close()
        return False

    # [/pool]
