"""Close after response, with four workers: the server that the question began with.

What it does: one thread watches the listener and the connections that have not sent
anything yet. One that becomes readable is a job for one of four workers, who receives
the request, answers it, and closes.

What it costs: a connection for each request, and a worker for each client that sends
half a request and stops.

See it break:
    python -m steps.step02
    python -m lab silent http://127.0.0.1:8000 --connections 4 --half --seconds 10 &
    python -m lab probe http://127.0.0.1:8000       # answered when the others have left
"""

import select
import socket
from dataclasses import dataclass

from steps.app import Application
from steps.step01.connection import Connection
from steps.step01.server import serve_once
from steps.step01.stop_event import StopEvent
from steps.step02.accepting import AcceptStats, accept
from steps.step02.workers import WorkerPool


@dataclass
class Stats(AcceptStats):
    dispatched: int = 0  # connections given to a worker


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
        self._stop = StopEvent()
        self._pool = WorkerPool[Connection](workers, lambda c: serve_once(c, app))
        # The connections that have sent nothing yet, by descriptor.
        self._waiting: dict[int, Connection] = {}

    # [loop]
    def run(self) -> None:
        self._pool.start()
        try:
            while not self._stop.is_set:
                listening = self._listener.fileno()
                watched = [self._stop.fileno(), listening, *self._waiting]
                ready, _, _ = select.select(watched, [], [])
                for fd in ready:
                    if fd in self._waiting:
                        # The worker owns it now; this thread never sees it again.
                        self._pool.submit(self._waiting.pop(fd))
                        self.stats.dispatched += 1
                    elif fd == listening:
                        self._accept()
        finally:
            self._pool.stop()
            for connection in self._waiting.values():
                connection.close()
            self._listener.close()
            self._stop.close()

    def _accept(self) -> None:
        if sock := accept(self._listener, self.stats):
            self._waiting[sock.fileno()] = Connection(sock)

    # [/loop]

    def stop(self) -> None:
        self._stop.set()
