"""A line for each request, in the common log format, on standard output."""

import contextlib
import sys
import threading
import time
from queue import Full, Queue

from steps.http11 import Request

# So many lines may wait to be written. When the disk, or the program that reads them,
# is that far behind, further lines are dropped: the log must not stop the server.
MAX_WAITING = 10_000
# The status in the line of a client that has left before it was answered. Nothing was
# sent; the number is nginx's, and programs that read logs know it.
CLIENT_LEFT = 499


class AccessLog:
    """Lines are written by a thread of its own: in the loop, a write could block it."""

    def __init__(self) -> None:
        self._lines: Queue[str | None] = Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def add(
        self, peer: str, request: Request | None, status: int | None, size: int
    ) -> None:
        """A request is over. request: None for what could not become one. status: None
        if the client left before there was any. size: bytes of the answer's body."""
        asked = "-"
        if request is not None:
            with contextlib.suppress(Exception):  # a handler may have spoiled it
                asked = request_line(request)
        second = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        line = f'{peer} - - [{second}] "{asked}" {status or CLIENT_LEFT} {size}\n'
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
                # An application may print at the same time. `sys.stdout` is not made
                # for several threads; the binary stream below it is.
                sys.stdout.buffer.write(line.encode())
                if self._lines.empty():
                    sys.stdout.buffer.flush()
            except BaseException:
                # A full disk, or what an application has put in the place of standard
                # output: the lines are lost, and the log goes on.
                pass


def request_line(request: Request) -> str:
    # The parser refuses control characters, so a client cannot begin a second line.
    target = request.target.replace("\\", "\\\\").replace('"', '\\"')
    return f"{request.method} {target} HTTP/1.{request.version[1]}"
