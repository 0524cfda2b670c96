"""The kept connections: a linked list guarded by a mutex, as in the question."""

import socket
import threading
import time
from dataclasses import dataclass
from typing import cast

from steps.step01.connection import Connection


class Link:
    """A place in a ring. A new link is a ring by itself: it is its own neighbour."""

    def __init__(self) -> None:
        self.previous = self.next = cast("KeptConnection", self)


class KeptConnection(Connection, Link):
    """A connection that outlives its request, and is a link in the list."""

    def __init__(self, sock: socket.socket) -> None:
        Connection.__init__(self, sock)
        Link.__init__(self)
        # close() turns `sock.fileno()` into -1. This copy stays, as the number does in
        # C, and that is how a closed descriptor gets into the set of select().
        self.fd = sock.fileno()
        # True: a worker has it, and no other must get it. Whoever looks at this, or
        # clears it, holds the lock of the list: then the next worker sees all that this
        # one has left in the parser.
        self.busy = False

    @property
    def closed(self) -> bool:
        return self.sock.fileno() == -1


@dataclass
class LockStats:
    """Changed only by whoever holds the lock, so that the counts are exact.

    Every step with this list counts; from step 06 on, a step's stats show it.
    """

    lock_uses: int = 0
    lock_waits: int = 0  # uses that found it taken
    lock_wait_s: float = 0.0  # how long those waited, together


class MeasuredLock:
    """A mutex that measures how long its users wait for it: the question's suspect."""

    def __init__(self, stats: LockStats) -> None:
        self._lock = threading.Lock()
        self._stats = stats

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            asked = time.perf_counter()
            self._lock.acquire()
            self._stats.lock_wait_s += time.perf_counter() - asked
            self._stats.lock_waits += 1
        self._stats.lock_uses += 1

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


# [list]
class ConnectionList:
    """Adding and removing take the same time however long the list is."""

    def __init__(self, stats: LockStats) -> None:
        self.lock = MeasuredLock(stats)
        self._end = Link()  # holds no connection; between the last one and the first

    def add(self, connection: KeptConnection) -> None:
        with self.lock:
            connection.previous = self._end.previous
            connection.next = cast(KeptConnection, self._end)
            self._end.previous.next = self._end.previous = connection

    def remove(self, connection: KeptConnection) -> None:
        with self.lock:
            connection.previous.next = connection.next
            connection.next.previous = connection.previous

    def fd_set(self) -> dict[int, KeptConnection]:
        """Walk the whole list, as each call of `select()` needs a new set."""
        found = {}
        with self.lock:
            connection = self._end.next
            while connection is not self._end:
                found[connection.fd] = connection
                connection = connection.next
        return found

    # [/list]

    def remove_closed(self) -> None:
        for connection in self.fd_set().values():
            if connection.closed:
                self.remove(connection)

    def close(self) -> None:
        for connection in self.fd_set().values():
            connection.close()
