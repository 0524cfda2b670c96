"""Puts the connection back when there is no room: the loop spins.

Breaks: The connection is closed and not watched again
Refused by: test_no_room
Told: the loop spins for as long as the workers are busy
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
            if connection not in self._watched:
                return
            self._watched.remove(connection)
        try:
            self._submit(connection)
        except BaseException:
            with self._lock:
                self._watched.add(connection)
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
