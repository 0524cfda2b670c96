"""Open connections to a server, from one process, a few at a time."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time

from lab.load.child import OrphanedError
from lab.load.poller import HANGUP, IN, OUT, Poller
from lab.load.run import LoadSpec
from lab.load.target import LoadError, nothing_listens

#: Connections are opened this many at a time, so that no listener's backlog overflows.
CONNECT_BATCH = 20
CONNECT_PAUSE_S = 0.001
#: A connection that takes longer was swallowed by a full backlog.
CONNECT_AGAIN_S = 0.05
#: How long no connection may be opened until the load begins with those that are.
CONNECT_PATIENCE_S = 5.0
#: Source addresses in close mode, each with its own 28 000 ports. Linux has them all.
SOURCES = [f"127.0.0.{n}" for n in range(1, 65)] if sys.platform == "linux" else []
#: Linux: bind to an address now, choose the port in `connect`, when all is known.
IP_BIND_ADDRESS_NO_PORT = 24

#: Plain numbers: quicker than the enumeration's members.
AF_INET, SOCK_STREAM = int(socket.AF_INET), int(socket.SOCK_STREAM)
SOCK_NONBLOCK = int(getattr(socket, "SOCK_NONBLOCK", 0))  # macOS has none
IPPROTO_IP = int(socket.IPPROTO_IP)
#: What a `connect` that does not wait may answer.
CONNECT_BEGUN = (0, errno.EINPROGRESS)


class Connector:
    """Opens connections to one server."""

    def __init__(self, spec: LoadSpec, poller: Poller) -> None:
        self._address = (spec.host, spec.port)
        self._poller = poller
        self._sources = [] if spec.keep_alive or spec.anywhere else SOURCES
        self._opened = 0
        #: Whether the server ever took a connection.
        self.reached = False

    def connect(self, count: int) -> list[int]:
        """Open so many connections; returns those that are open in time.

        A few at a time, and one that the listener's full backlog swallowed is tried
        again at once: the kernel would wait for a second, then for two more.
        """
        ready: list[int] = []
        deadline = time.monotonic() + CONNECT_PATIENCE_S
        while len(ready) < count and time.monotonic() < deadline:
            batch = min(CONNECT_BATCH, count - len(ready))
            opened = self._connect_batch(batch)
            ready += opened
            if opened:
                deadline = time.monotonic() + CONNECT_PATIENCE_S
            time.sleep(CONNECT_PAUSE_S)
        return ready

    def _connect_batch(self, count: int) -> list[int]:
        """Open so many connections; those that were open soon enough."""
        waiting = set()
        for _ in range(count):
            try:
                fd = self.begin()
            except OSError as error:
                raise self._cannot_connect(error.errno or 0) from None
            self._poller.register(fd, OUT)
            waiting.add(fd)
        opened = []
        deadline = time.monotonic() + CONNECT_AGAIN_S
        while waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _ in self._poller.poll(left):
                if fd == sys.stdin.fileno():
                    raise OrphanedError
                if fd not in waiting:  # an open one, which the server has closed
                    continue
                if code := socket_error(fd):
                    raise self._cannot_connect(code)
                waiting.discard(fd)
                opened.append(fd)
                self._poller.modify(fd, IN | HANGUP)
                self.reached = True
        for fd in waiting:
            os.close(fd)
        return opened

    def _cannot_connect(self, code: int) -> LoadError:
        if code == errno.ECONNREFUSED:
            return nothing_listens(*self._address)
        return LoadError(f"cannot connect: {os.strerror(code)}")

    def begin(self) -> int:
        """A new connection to the server, not ready yet. OSError if there is none.

        The caller owns the descriptor.
        """
        sock = socket.SocketType(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
        try:
            if not SOCK_NONBLOCK:
                sock.setblocking(False)
            self._opened += 1
            if self._sources:
                source = self._sources[self._opened % len(self._sources)]
                sock.setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((source, 0))
            code = sock.connect_ex(self._address)
            if code not in CONNECT_BEGUN:
                raise OSError(code, os.strerror(code))
            return sock.detach()
        finally:
            sock.close()


def socket_error(fd: int) -> int:
    sock = socket.socket(fileno=fd)
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    finally:
        sock.detach()
