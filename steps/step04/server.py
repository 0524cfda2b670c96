"""A pipe and a second thread: the question's second design.

What it does: one thread accepts. A second watches the kept connections, and a byte in a
pipe wakes it when there is a new one, so `select()` needs no timeout. Connections stay
in its set while workers serve them.

What it costs: a connection that waits for a free worker is readable all the while, so
`select()` returns at once, again and again, with nothing to do. And a worker still
closes descriptors that another thread is watching.

See it break:
    python -m steps.step04 --workers 1
    python -m lab silent http://127.0.0.1:8000 --connections 1 --half --seconds 10 &
    python -m lab probe http://127.0.0.1:8000    # waits; meanwhile a core is 100 % busy
    kill -USR1 PID                               # select_calls: a million
"""

import errno
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
class Stats(AcceptStats):
    select_calls: int = 0
    wakes: int = 0  # calls that the pipe ended
    dispatched: int = 0  # connections given to a worker
    busy_ready: int = 0  # readable, but a worker has it already
    ebadf: int = 0  # calls refused: a descriptor in the set was closed
    stale: int = 0  # readable under the number of a connection that is closed


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end.
    """

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
        self._connections = ConnectionList(LockStats())

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
        self._connections.add(KeptConnection(sock))
        self._pipe.wake()

    # [round]
    def _keep(self) -> None:
        while not self._stop.is_set:
            self._round()

    def _round(self) -> None:
        kept = self._connections.fd_set()
        # Who is busy has to be noted before select(). A worker may finish right after
        # that call. By then it has read the bytes that made the connection ready, and
        # `busy` is False. If the loop went by that, it would give the connection to
        # another worker, which would block in recv().
        with self._connections.lock:
            busy = {fd for fd, connection in kept.items() if connection.busy}
        watched = [self._stop.fileno(), self._pipe.fileno(), *kept]
        self.stats.select_calls += 1
        try:
            ready, _, _ = select.select(watched, [], [])
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            self.stats.ebadf += 1
            self._connections.remove_closed()
            return
        for fd in ready:
            if fd in kept:
                self._dispatch(kept[fd], fd in busy)
            elif fd == self._pipe.fileno():
                self.stats.wakes += 1
                self._pipe.drain()

    def _dispatch(self, connection: KeptConnection, busy: bool) -> None:
        if connection.closed:
            # A worker has closed it since the set was made. What is ready may be a
            # newer connection, to which the kernel has given the same number.
            self.stats.stale += 1
            self._connections.remove(connection)
        elif busy:
            self.stats.busy_ready += 1
        else:
            connection.busy = True
            self.stats.dispatched += 1
            self._pool.submit(connection)

    # [/round]

    def stop(self) -> None:
        self._stop.set()

    # [serve]
    def _serve(self, connection: KeptConnection) -> None:
        if not serve_kept(connection, self._app):
            # A select() that watches a socket holds it open. Without interrupt(), which
            # calls shutdown(), the client would not hear of the close until the
            # select() returns.
            connection.interrupt()
            connection.close()  # the watching thread is not told
        with self._connections.lock:
            connection.busy = False

    # [/serve]
