"""Hand a connection over to a worker, and back to the loop: an answer."""

import socket
import threading
from collections.abc import Callable


class HandOver:
    """Gives each connection one owner at a time; see exercise.py for the contract."""

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
        """In the loop's thread: take a connection from the loop, and submit it."""
        # Both under one lock: in between, another thread could take it.
        with self._lock:
            if connection not in self._watched:
                return
            self._watched.remove(connection)
        # First out of the set, as the worker may have put it back before this returns.
        try:
            self._submit(connection)
        except BaseException:
            connection.close()
            raise

    def serve(self, connection: socket.socket) -> None:
        """In a worker's thread: respond to a request, and give the connection back."""
        keep = False
        try:
            keep = self._respond(connection)
        finally:
            if keep:
                self._attach(connection)
            else:
                connection.close()

    def _attach(self, connection: socket.socket) -> None:
        with self._lock:
            self._watched.add(connection)
        # After that: the loop that wakes has to find it.
        self._wake()
