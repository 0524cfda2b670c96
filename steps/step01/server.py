"""Close after response, in one thread.

What it does: `select()` waits for a client to connect; then one request is received,
answered (the head, then the body), and the connection is closed.

What it costs: everybody waits for the client that is being served. One client that
connects and says nothing stops the server.

See it break:
    python -m steps.step01
    python -m lab silent http://127.0.0.1:8000 --connections 1 --seconds 10 &
    python -m lab probe http://127.0.0.1:8000       # answered when the other has left
"""

import select
import socket
import threading
from dataclasses import dataclass

from steps.app import Application, answer
from steps.http11 import BadRequest
from steps.step01.connection import Connection
from steps.step01.stop_event import StopEvent


@dataclass
class Stats:
    accepted: int = 0


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end. `workers` is not used yet.
    """

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 1
    ) -> None:
        # If a client leaves between select() and accept(), there is nobody to accept. A
        # blocking accept() would wait for the next client, and stop() cannot end that.
        listener.setblocking(False)
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._stop = StopEvent()
        # Whoever reads or sets _serving holds it. A signal handler runs on top of a
        # thread, which may have the lock when the handler calls stop(). An RLock may be
        # taken again by the thread that has it; a Lock would wait for itself.
        self._lock = threading.RLock()
        self._serving: Connection | None = None

    # [loop]
    def run(self) -> None:
        try:
            while not self._stop.is_set:
                watched = [self._stop.fileno(), self._listener.fileno()]
                ready, _, _ = select.select(watched, [], [])
                if self._listener.fileno() in ready:
                    self._accept()
        finally:
            self._listener.close()
            self._stop.close()

    # [/loop]

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # the client has gone already
        self.stats.accepted += 1
        self._serve(Connection(sock))

    def stop(self) -> None:
        self._stop.set()
        # The event ends select(). But the loop may be blocked in recv() or send() for a
        # client, and would stay there for as long as the client likes.
        with self._lock:
            serving = self._serving
        if serving is not None:
            serving.interrupt()

    def _serve(self, connection: Connection) -> None:
        with self._lock:
            self._serving = connection
        # Another thread may call stop() at this moment. stop() sets the event before it
        # has the lock, and here the event is looked at after that. So whoever has the
        # lock second knows what the other has done, and interrupts. In another order
        # each could miss the other, and this thread would wait for its client as long
        # as the client likes.
        if self._stop.is_set:
            connection.interrupt()
        serve_once(connection, self._app)
        with self._lock:
            self._serving = None


# [serve]
def serve_once(connection: Connection, app: Application) -> None:
    """Answer one request and close, whatever the client or the application does."""
    try:
        request = connection.receive()
        if request is not None:
            connection.send(answer(app, request), request, keep=False)
    except BadRequest as error:
        connection.refuse(error)
    except OSError:
        pass  # the client has gone; nobody is left to tell
    finally:
        connection.close()


# [/serve]
