"""Never block: the reactor's loop receives what has come, sends what can go, and waits
for neither.

What it does: every socket is non-blocking, and every connection remembers how far it
is. An answer that does not fit into the kernel's buffer waits in the connection's own
until the client has read; meanwhile the loop serves others.

What it costs: memory for what has not been sent, and code that keeps track of how far
each connection is; a thread that waits knows it by the line that it waits in. One slow
handler still stops everybody.

See it work, where step 08 stops:
    python -m steps.step09
    python -m lab silent http://127.0.0.1:8000/bytes/10000000 --connections 1 --unread &
    python -m lab probe http://127.0.0.1:8000 --requests 3
"""

import selectors
import socket
from dataclasses import dataclass

from steps.app import Application, answer
from steps.http11 import Reader
from steps.step01.stop_event import StopEvent
from steps.step09.connection import Connection

# The loop accepts at most so many clients at a time, and then serves those that it has:
# a flood of new ones must not keep them waiting.
MAX_ACCEPTS = 64
# With more than this to send, no further request of a connection is taken: else the
# answers to a client that asks, and never reads, would fill the memory.
MAX_BUFFERED_BYTES = 65_536


@dataclass
class Stats:
    accepted: int = 0
    closed: int = 0


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    `run()` closes the listener at its end. `workers` is not used: the loop does it all.
    """

    def __init__(
        self, listener: socket.socket, app: Application, workers: int = 0
    ) -> None:
        listener.setblocking(False)
        # A small answer must not wait until the one before it is acknowledged (chapter
        # 07). Accepted sockets inherit this option from the listener.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stats = Stats()
        self._listener = listener
        self._app = app
        self._reader = Reader()
        self._stop = StopEvent()
        self._selector = selectors.DefaultSelector()

    # [loop]
    def run(self) -> None:
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        try:
            while not self._stop.is_set:
                for key, _ in self._selector.select():
                    if key.data is not None:
                        self._serve(key.data, key.events)
                    elif key.fileobj is self._listener:
                        self._accept()
        finally:
            self._close()

    # [serve]
    def _serve(self, connection: Connection, watched: int) -> None:
        """Do what can be done for a connection that is ready, and not wait."""
        try:
            if not connection.unsent:  # else it is ready to be written
                connection.receive()
            connection.flush()
            # If the kernel is full, we hear of it when there is room.
            while connection.has_input and not connection.unsent:
                self._take(connection)
                if not connection.unsent:
                    break  # no request is whole
                connection.flush()
            interest = connection.interest
        except OSError:
            interest = 0  # the client has gone
        if interest != watched:
            self._watch(connection, interest)

    # [/serve]

    def _take(self, connection: Connection) -> None:
        """Answer the requests that have come, until there is enough to send.

        Further ones may wait behind those. No event would remind us of them, as they
        are here already: so call it again when all has been sent.
        """
        while connection.unsent <= MAX_BUFFERED_BYTES:
            request = connection.next_request()
            if request is None:
                break
            connection.answer(request, answer(self._app, request))

    def _watch(self, connection: Connection, interest: int) -> None:
        if interest:
            self._selector.modify(connection.sock, interest, connection)
        else:  # nothing more will come or go
            self._selector.unregister(connection.sock)
            connection.close()
            self.stats.closed += 1

    # [/loop]

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # all are accepted, or descriptors have run out
            self.stats.accepted += 1
            connection = Connection(sock, self._reader)
            self._selector.register(sock, connection.interest, connection)

    def stop(self) -> None:
        self._stop.set()

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                key.data.close()
        self._selector.close()
        self._listener.close()
        self._stop.close()
