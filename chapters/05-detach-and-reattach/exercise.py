"""Hand a connection over to a worker, and back to the loop.

Work in this file. `pytest chapters/05-detach-and-reattach` checks it.
"""

import socket
import threading
from collections.abc import Callable


class HandOver:
    """Gives each connection one owner at a time: the loop, or a worker.

    The loop watches the connections that are in a set, and goes round like this:

        with lock:
            connections = list(watched)
        ready, _, _ = select.select([pipe, *connections], [], [])
        pipe.drain()
        for each connection in ready:
            hand_over.on_readable(connection)

    Example, where the client keeps the connection:

        >>> hand_over.on_readable(connection)  # the loop does this
        >>> connection in watched
        False
        >>> hand_over.serve(connection)  # and then a worker does this
        >>> connection in watched
        True

    watched: the loop's connections. Other threads use the set as well: one takes
        connections out that were silent for too long, and closes them.
    lock: held by whoever looks into `watched` or changes it, and for no longer. It is
        not held while submit(), respond() or wake() run, nor while a connection is
        closed: the workers and the loop need it as well.
    submit: gives a connection to a worker, which calls `serve()` with it. It may wait
        for room in a queue, so the worker may be done before submit() returns. Raises
        queue.Full when there is no room, RuntimeError when the workers have ended.
    respond: reads a request and sends the whole response. Returns whether the client
        keeps the connection; raises OSError when the client is gone.
    wake: ends the loop's select(). It never waits.
    """

    def __init__(
        self,
        watched: set[socket.socket],
        lock: threading.Lock,
        submit: Callable[[socket.socket], None],
        respond: Callable[[socket.socket], bool],
        wake: Callable[[], None],
    ) -> None:
        self._watched = watched
        self._lock = lock
        self._submit = submit
        self._respond = respond
        self._wake = wake

    def on_readable(self, connection: socket.socket) -> None:
        """In the loop's thread: take a connection from the loop, and submit it.

        select() was given a copy of the set. If the connection has left the set since,
        it is somebody else's, and nothing is done.

        If submit() raises, nobody will serve the connection. It is not tried again. The
        connection is closed and not watched again, and the exception goes on to the
        loop, which counts it. That may be any exception, KeyboardInterrupt as well.
        """
        # TODO: the connection belongs to two now, and never comes back from serve().
        self._submit(connection)

    def serve(self, connection: socket.socket) -> None:
        """In a worker's thread: respond to a request, and give the connection back.

        After the response, a connection that the client keeps is watched again, and the
        loop is woken, so that its next select() has it. Any other is closed, also if
        respond() raises; that exception goes on to the worker, which logs it. It may be
        any, SystemExit as well.
        """
        self._respond(connection)
