"""A line for each request, in the common log format, on standard output."""

import contextlib
import sys
import threading
import time
from queue import Full, Queue

from steps.step12.connection import Connection

# So many lines may wait to be written. When the disk, or the program that reads them,
# is that far behind, further lines are dropped: the log must not stop the server.
MAX_WAITING = 10_000


class AccessLog:
    """Lines are written by a thread of its own: in the loop, a write could block it."""

    def __init__(self) -> None:
        self._lines: Queue[str | None] = Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def count(self, connection: Connection, data: bytes, is_last: bool) -> None:
        """The connection has been given bytes of an answer. The last make a line."""
        if connection.status == 0:
            connection.status = int(data[9:12])  # behind "HTTP/1.1 "
            connection.size = -(data.index(b"\r\n\r\n") + 4)  # the head is not counted
        connection.size += len(data)
        if is_last:
            self._add(connection)
            connection.status = 0

    def _add(self, connection: Connection) -> None:
        request = connection.request
        assert request is not None
        second = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        # The parser refuses control characters, so a client cannot begin a second line.
        target = request.target.replace("\\", "\\\\").replace('"', '\\"')
        version = "HTTP/1.1" if request.version == (1, 1) else "HTTP/1.0"
        peer = connection.peer or connection.find_peer()
        line = (
            f'{peer} - - [{second}] "{request.method} {target} {version}" '
            f"{connection.status} {connection.size}\n"
        )
        with contextlib.suppress(Full):
            self._lines.put_nowait(line)

    def close(self) -> None:
        """Wait, for a second at most, until the lines that wait have been written."""
        with contextlib.suppress(Full):
            self._lines.put_nowait(None)
            self._thread.join(1.0)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                sys.stdout.write(line)
                if self._lines.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):
                pass  # a full disk: the lines are lost, and the server goes on
