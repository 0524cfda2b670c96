"""Detach and re-attach: the question's third design.

What it does: a connection with something to read leaves the list before a worker gets
it, and the worker puts it back when it has been served. Each connection has one owner
at a time, so nobody closes what somebody else is watching. One thread, one timeout.

What it costs: the timeout is back. A connection put back while `select()` sleeps is not
watched before the call ends.

See it break:
    python -m steps.step05
    python -m lab probe http://127.0.0.1:8000 --requests 5   # each waits for a timeout
"""

import select
import socket
from dataclasses import dataclass

from steps.app import Application
from steps.step01.stop_event import StopEvent
from steps.step02.accepting import AcceptStats, accept
from steps.step02.workers import WorkerPool
from steps.step03.connections import ConnectionList, KeptConnection, LockStats
from steps.step03.server import SELECT_TIMEOUT_S, serve_kept


@dataclass
class Stats(AcceptStats):
    select_calls: int = 0
    timeouts: int = 0  # calls that ended with nothing to do
    dispatched: int = 0  # connections given to a worker


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        select_timeout_s: float = SELECT_TIMEOUT_S,
    ) -> None:
        listener.setblocking(False)
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._select_timeout_s = select_timeout_s
        self._stop = StopEvent()
        self._pool = WorkerPool(workers, self._serve)
        self._connections = ConnectionList(LockStats())

    def run(self) -> None:
        self._pool.start()
        try:
            while not self._stop.is_set:
                self._round()
        finally:
            self._pool.stop()
            self._connections.close()
            self._listener.close()
            self._stop.close()

    def _round(self) -> None:
        kept = self._connections.fd_set()
        listening = self._listener.fileno()
        watched = [self._stop.fileno(), listening, *kept]
        self.stats.select_calls += 1
        ready, _, _ = select.select(watched, [], [], self._select_timeout_s)
        if not ready:
            self.stats.timeouts += 1
        for fd in ready:
            if fd in kept:
                self._dispatch(kept[fd])
            elif fd == listening:
                self._accept()

    def _accept(self) -> None:
        if sock := accept(self._listener, self.stats):
            self._connections.add(KeptConnection(sock))

    # [hand-over]
    def _dispatch(self, connection: KeptConnection) -> None:
        # First out of the list, then to a worker. The other way round, a quick worker
        # could put it back while it is still in the list. A link that is put in twice
        # breaks the chain, and a thread that walks it might never reach the end.
        self._connections.remove(connection)
        self.stats.dispatched += 1
        self._pool.submit(connection)

    def _serve(self, connection: KeptConnection) -> None:
        if serve_kept(connection, self._app):
            self._connections.add(connection)  # watched from the next rebuild on
        else:
            connection.close()

    # [/hand-over]

    def stop(self) -> None:
        self._stop.set()
