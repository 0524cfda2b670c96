"""Clients that hold connections and are no help to anybody.

    python -m lab silent URL --connections 4 --seconds 10              say nothing
    python -m lab silent URL --connections 4 --seconds 10 --kept       after one request
    python -m lab silent URL --connections 4 --seconds 10 --half       half a request
    python -m lab silent URL --connections 1 --seconds 10 --unread     read no answer

`SilentClients` holds the silent connections of a load, in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence

from lab.load.child import Child, allow_connections, read_line, run_child, write_line
from lab.load.kinds import UNREAD_BYTES, Manner
from lab.load.target import LoadError, loopback, nothing_listens, parse_url

#: Connections are opened this many at a time, so that no listener's backlog overflows.
BATCH = 20
BATCH_PAUSE_S = 0.001
#: How long opening one connection may take.
CONNECT_LIMIT_S = 5.0
#: How long opening all of them may take.
READY_LIMIT_S = 60.0
#: How long counting the open ones may take.
COUNT_LIMIT_S = 10.0
#: Connections whose end is told one by one.
TOLD = 10


class SilentClients:
    """Silent connections that are open within the context. None at all is fine.

    manner: what they do beside being open. more_s: how many seconds longer than others
    the server may take to accept them, and to answer those that are kept.
    """

    def __init__(
        self,
        host: str,
        port: int,
        connections: int,
        manner: Manner = "silent",
        more_s: float = 0.0,
    ) -> None:
        self._ready_s = READY_LIMIT_S + more_s
        self._order: dict[str, object] = {
            "host": host,
            "port": port,
            "connections": connections,
            "manner": manner,
        }
        self._stack = contextlib.ExitStack()
        self._child: Child | None = None

    def __enter__(self) -> SilentClients:
        """Open them all. LoadError if that fails."""
        if self._order["connections"]:
            with contextlib.ExitStack() as stack:
                child = stack.enter_context(Child("lab.load.silent"))
                child.write(self._order)
                child.read(time.monotonic() + self._ready_s)
                self._stack = stack.pop_all()
            self._child = child
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def still_open(self) -> int:
        """How many of them the server has not closed."""
        if not self._child:
            return 0
        self._child.write({"count": True})
        count = self._child.read(time.monotonic() + COUNT_LIMIT_S)["open"]
        assert isinstance(count, int)
        return count


def open_connections(host: str, port: int, count: int) -> list[socket.socket]:
    """So many connections to the server; LoadError if it does not take them all."""
    allow_connections(count)
    connections: list[socket.socket] = []
    try:
        for number in range(1, count + 1):
            connections.append(
                socket.create_connection((host, port), timeout=CONNECT_LIMIT_S)
            )
            if number % BATCH == 0:
                time.sleep(BATCH_PAUSE_S)
    except OSError as error:
        opened = len(connections)
        for connection in connections:
            connection.close()
        if isinstance(error, ConnectionRefusedError) and not opened:
            raise nothing_listens(host, port) from None
        raise LoadError(
            f"only {opened} of {count} silent connections could be opened: {error}"
        ) from None
    return connections


def first_words(manner: Manner, host: str, port: int, path: str) -> bytes:
    """What such a client sends, and all that it sends."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    sent = {"silent": 0, "half": len(request) // 2}
    return request[: sent.get(manner, len(request))]


def _is_open(connection: socket.socket, reads: bool = True) -> bool:
    """Whether the server has not closed it. What it sent before is thrown away; who
    does not read sees a reset, and no more."""
    connection.setblocking(False)
    if not reads:
        return not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _hold() -> None:
    """The child: open connections, and count the open ones whenever asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent ends us
    order = read_line()
    host, port, count = order["host"], order["port"], order["connections"]
    assert isinstance(host, str)
    assert isinstance(port, int)
    assert isinstance(count, int)
    manner: Manner = order["manner"]  # type: ignore[assignment]
    connections = open_connections(loopback(host), port, count)
    path = f"/bytes/{UNREAD_BYTES}" if manner == "unread" else "/"
    for connection in connections:
        with contextlib.suppress(OSError):  # closed already: the count will tell
            connection.sendall(first_words(manner, host, port, path))
            if manner == "kept":  # it is, from the answer on
                connection.recv(65536)
    write_line({"ready": True})
    reads = manner != "unread"
    while True:
        read_line()
        write_line({"open": sum(_is_open(each, reads) for each in connections)})


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m lab silent URL …`: hold connections; tell which the server closes."""
    parser = argparse.ArgumentParser(
        prog="python -m lab silent",
        description="Open connections to a server on this machine and hold them.",
    )
    parser.add_argument("url", help="for example http://127.0.0.1:8000/")
    parser.add_argument("--connections", type=int, default=1, metavar="N")
    parser.add_argument("--seconds", type=float, default=10.0)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--kept", action="store_true", help="send one request, and then nothing"
    )
    what.add_argument(
        "--half", action="store_true", help="send half a request, and no more"
    )
    what.add_argument(
        "--unread", action="store_true", help="send a request, never read the answer"
    )
    options = parser.parse_args(argv)
    try:
        host, port, path = parse_url(options.url)
        manners: tuple[Manner, ...] = ("kept", "half", "unread")
        [manner] = [m for m in manners if getattr(options, m)] or ["silent"]
        told = {"silent": "nothing", "half": "half a request"}
        sent = first_words(manner, host, port, path)
        connections = open_connections(host, port, options.connections)
        for connection in connections:
            connection.sendall(sent)
    except (LoadError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    count = f"{len(connections)} connection{'s' if len(connections) > 1 else ''}"
    print(
        f"{count} to http://{host}:{port} open, {told.get(manner, 'a request')} sent.",
        flush=True,
    )
    began = time.monotonic()
    try:
        still_open = _watch(connections, options.seconds, reads=not options.unread)
    finally:
        for connection in connections:
            connection.close()
    took = time.monotonic() - began
    print(f"{took:.0f} s later: {still_open} of {len(connections)} still open.")
    return 0


def _watch(connections: Sequence[socket.socket], seconds: float, reads: bool) -> int:
    """Tell what the server closes, for so long or until it has closed all.

    Returns how many are left.
    """
    began = time.monotonic()
    open_ones = {connection.fileno(): connection for connection in connections}
    number = {connection.fileno(): n for n, connection in enumerate(connections, 1)}
    poll = select.poll()
    for fd in open_ones:
        poll.register(fd, select.POLLIN if reads else 0)  # errors always come
    ended = 0
    while open_ones and (left := began + seconds - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            connection = open_ones[fd]
            with contextlib.suppress(OSError):
                said = connection.recv(65536) if reads else b""
                if said:
                    line = said.partition(b"\r\n")[0].decode("latin-1")
                    print(f"connection {number[fd]}: the server said {line}")
                    continue
            poll.unregister(fd)
            del open_ones[fd]
            ended += 1
            if ended <= TOLD:
                after = time.monotonic() - began
                print(
                    f"connection {number[fd]}: closed by the server "
                    f"after {after:.1f} s",
                    flush=True,
                )
    return len(open_ones)


if __name__ == "__main__":
    sys.exit(run_child(_hold))
