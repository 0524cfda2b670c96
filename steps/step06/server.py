"""The pipe, and detach and re-attach: the question's fourth design.

What it does: a connection is in the list only while nobody serves it, and a worker that
puts one back wakes the watching thread through the pipe. No timeout, no closed
descriptor in the set, no busy loop.

What it costs: nothing is left to blame, and still every request on a connection but the
first takes about 40 ms. The mutex measures how long anybody waits for it.

See it break:
    python -m steps.step06
    python -m lab probe http://127.0.0.1:8000 --requests 5   # head at once, body late
    python -m lab load http://127.0.0.1:8000 --connections 100
    kill -USR1 PID                                           # lock_wait_s: hardly any
"""

import select
import socket
import threading
from dataclasses import dataclass

from steps.app import Application
from steps.step01.stop_event import StopEvent
from steps.step02.accepting import AcceptStats
from steps.step02.workers import WorkerPool
from steps.step03.connections import ConnectionList, KeptConnection, LockStats
from steps.step03.server import serve_kept
from steps.step04.acceptor import accept_until
from steps.step04.wake_pipe import WakePipe


@dataclass
class Stats(LockStats, AcceptStats):
    select_calls: int = 0
    wakes: int = 0  # calls that the pipe ended
    dispatched: int = 0  # connections given to a worker


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end.
    """

    connection_class = KeptConnection

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 4
    ) -> None:
        listener.setblocking(False)
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._stop = StopEvent()
        self._pipe = WakePipe()
        self._pool = WorkerPool(workers, self._serve)
        self._connections = ConnectionList(self.stats)

    def run(self) -> None:
        keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._pool.start()
        keeper.start()
        try:
            accept_until(self._stop, self._listener, self.stats, self._welcome)
        finally:
            self._stop.set()
            keeper.join()
            self._pool.stop()
            self._connections.close()
            self._pipe.close()
            self._listener.close()
            self._stop.close()

    def _welcome(self, sock: socket.socket) -> None:
        self._attach(self.connection_class(sock))

    # [keep]
    def _keep(self) -> None:
        while not self._stop.is_set:
            kept = self._connections.fd_set()
            watched = [self._stop.fileno(), self._pipe.fileno(), *kept]
            self.stats.select_calls += 1
            ready, _, _ = select.select(watched, [], [])
            for fd in ready:
                if fd in kept:
                    self._dispatch(kept[fd])
                elif fd == self._pipe.fileno():
                    self.stats.wakes += 1
                    self._pipe.drain()

    def _dispatch(self, connection: KeptConnection) -> None:
        # First out of the list, then to a worker. The other way round, a quick worker
        # could put it back while it is still in the list. A link that is put in twice
        # breaks the chain, and a thread that walks it might never reach the end.
        self._connections.remove(connection)
        self.stats.dispatched += 1
        self._pool.submit(connection)

    def _serve(self, connection: KeptConnection) -> None:
        if serve_kept(connection, self._app):
            self._attach(connection)
        else:
            connection.close()

    def _attach(self, connection: KeptConnection) -> None:
        # First into the list, then the byte. The other way round, the keeper could
        # wake, find a list without this connection, and go back to sleep.
        self._connections.add(connection)
        self._pipe.wake()

    # [/keep]

    def stop(self) -> None:
        self._stop.set()
