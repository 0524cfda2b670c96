"""Submits a connection that somebody else has taken out of the set.

Breaks: If the connection has left the set since, it is somebody else's, and nothing is
done
Refused by: test_left_already
Told: Who takes a connection out of the set owns it
"""

import socket
import threading
from collections.abc import Callable


class HandOver:
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
        with self._lock:
            self._watched.discard(connection)
        try:
            self._submit(connection)
        except BaseException:
            connection.close()
            raise

    def serve(self, connection: socket.socket) -> None:
        try:
            keep = self._respond(connection)
        except BaseException:
            connection.close()
            raise
        if keep:
            with self._lock:
                self._watched.add(connection)
            self._wake()
        else:
            connection.close()
