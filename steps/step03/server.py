"""Keep-alive by timeout and rebuild: the question's first design.

What it does: connections stay in a linked list after their response. Each round of the
loop builds the set of descriptors anew from those that no worker is serving, and
`select()` ends after 100 ms at the latest, so that handed-back connections get watched.

What it costs: a connection handed back while `select()` sleeps is watched only when the
call ends: at the timeout, or because of somebody else. And a worker that closes a
connection leaves a dead descriptor in the list.

See it break:
    python -m steps.step03
    python -m lab probe http://127.0.0.1:8000 --requests 5   # each waits for a timeout
    python -m lab load http://127.0.0.1:8000 --connections 100 --close
    kill -USR1 PID                                           # ebadf: many
"""

import errno
import select
import socket
from dataclasses import dataclass

from steps.app import Application, answer
from steps.http11 import BadRequest
from steps.step01.connection import Connection
from steps.step01.stop_event import StopEvent
from steps.step02.accepting import AcceptStats, accept
from steps.step02.workers import WorkerPool
from steps.step03.connections import ConnectionList, KeptConnection, LockStats

SELECT_TIMEOUT_S = 0.1


@dataclass
class Stats(AcceptStats):
    select_calls: int = 0
    timeouts: int = 0  # calls that ended with nothing to do
    dispatched: int = 0  # connections given to a worker
    ebadf: int = 0  # calls refused: a descriptor in the set was closed


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

    # [round]
    def _round(self) -> None:
        kept = self._connections.fd_set()
        with self._connections.lock:
            idle = [fd for fd, connection in kept.items() if not connection.busy]
        listening = self._listener.fileno()
        watched = [self._stop.fileno(), listening, *idle]
        self.stats.select_calls += 1
        try:
            ready, _, _ = select.select(watched, [], [], self._select_timeout_s)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            self.stats.ebadf += 1
            self._connections.remove_closed()
            return
        if not ready:
            self.stats.timeouts += 1
        for fd in ready:
            if fd in kept:
                self._dispatch(kept[fd])
            elif fd == listening:
                self._accept()

    # [/round]

    def _accept(self) -> None:
        if sock := accept(self._listener, self.stats):
            self._connections.add(KeptConnection(sock))

    def _dispatch(self, connection: KeptConnection) -> None:
        connection.busy = True
        self.stats.dispatched += 1
        self._pool.submit(connection)

    def stop(self) -> None:
        self._stop.set()

    # [serve]
    def _serve(self, connection: KeptConnection) -> None:
        if not serve_kept(connection, self._app):
            connection.close()  # it stays in the list: the loop is not told
        with self._connections.lock:
            connection.busy = False  # watched again from the next rebuild on

    # [/serve]


# [serve-kept]
def serve_kept(connection: Connection, app: Application) -> bool:
    """Answer the requests that have come. Return whether to keep the connection."""
    try:
        request = connection.receive()
        if request is None:
            return False
        while request is not None:
            connection.send(answer(app, request), request, request.keep_alive)
            if not request.keep_alive:
                return False
            # The client may have sent the next one without waiting. If recv() fetched
            # it with this one, select() cannot see it any more: it would lie in the
            # parser unanswered until the client sends something else.
            request = connection.requests.next_request()
        return True
    except BadRequest as error:
        connection.refuse(error)
    except OSError:
        pass  # the client has gone; nobody is left to tell
    return False


# [/serve-kept]
