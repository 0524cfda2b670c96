"""Forgets the connection when respond() raises.

Breaks: Any other is closed, also if respond() raises
Refused by: test_gone
Told: each client that goes away costs the server a descriptor
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
            connection.close()
            raise

    def serve(self, connection: socket.socket) -> None:
        if self._respond(connection):
            with self._lock:
                self._watched.add(connection)
            self._wake()
        else:
            connection.close()
