"""Register once: a reactor. One thread, and the kernel remembers what it watches.

What it does: a connection is registered with the selector (epoll on Linux, kqueue on
macOS) when it comes and unregistered when it goes. A round of the loop costs what is
ready, not what is connected. Handlers run in the loop: no list, no lock, no hand-over.

What it costs: while one handler runs, or one answer waits for a client that does not
read, everybody waits.

See it break:
    python -m steps.step08
    python -m lab probe http://127.0.0.1:8000/sleep/5000 &
    python -m lab probe http://127.0.0.1:8000 --requests 3   # the first of them waits
"""

import selectors
import socket
import threading
from dataclasses import dataclass

from steps.app import Application, answer
from steps.http11 import BadRequest
from steps.step01.connection import RECEIVE_BYTES, Connection
from steps.step01.stop_event import StopEvent
from steps.step07.connection import OneWriteConnection


@dataclass
class Stats:
    accepted: int = 0


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end. `workers` is not used: the loop does it all.
    """

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 0
    ) -> None:
        listener.setblocking(False)
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._stop = StopEvent()
        self._selector = selectors.DefaultSelector()
        # Whoever reads or sets _serving holds it. A signal handler runs on top of a
        # thread, which may have the lock when the handler calls stop(). An RLock may be
        # taken again by the thread that has it; a Lock would wait for itself.
        self._lock = threading.RLock()
        self._serving: Connection | None = None

    # [loop]
    def run(self) -> None:
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        try:
            while not self._stop.is_set:
                for key, _ in self._selector.select():
                    if key.data is not None:
                        self._serve(key.data)
                    elif key.fileobj is self._listener:
                        self._accept()
        finally:
            self._close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # the client has gone already, or descriptors have run out
        self.stats.accepted += 1
        connection = OneWriteConnection(sock)
        self._selector.register(sock, selectors.EVENT_READ, connection)

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
        if not serve_ready(connection, self._app):
            self._selector.unregister(connection.sock)
            connection.close()
        with self._lock:
            self._serving = None

    # [/loop]

    def stop(self) -> None:
        self._stop.set()
        # The event ends the selector's wait. But the loop may be blocked in a send() to
        # a client that does not read, and would stay there as long as the client likes.
        with self._lock:
            serving = self._serving
        if serving is not None:
            serving.interrupt()

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                key.data.close()
        self._selector.close()
        self._listener.close()
        self._stop.close()


# [serve-ready]
def serve_ready(connection: Connection, app: Application) -> bool:
    """Receive what has come, without waiting for more; answer the whole requests in it.

    Return whether to keep the connection.
    """
    try:
        data = connection.sock.recv(RECEIVE_BYTES)
        if not data:
            return False
        connection.requests.feed(data)
        while (request := connection.requests.next_request()) is not None:
            connection.send(answer(app, request), request, request.keep_alive)
            if not request.keep_alive:
                return False
        return True
    except BadRequest as error:
        connection.refuse(error)
    except OSError:
        pass  # the client has gone; nobody is left to tell
    return False


# [/serve-ready]
