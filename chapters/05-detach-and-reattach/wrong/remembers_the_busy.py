"""Keeps a second account of who is busy, and forgets to strike out who is not.

Breaks: Gives each connection one owner at a time: the loop, or a worker
Refused by: test_every_request
Told: must not keep the next from being served
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
        self._busy: set[socket.socket] = set()

    def on_readable(self, connection: socket.socket) -> None:
        with self._lock:
            if connection in self._busy or connection not in self._watched:
                return
            self._busy.add(connection)
            self._watched.remove(connection)
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
