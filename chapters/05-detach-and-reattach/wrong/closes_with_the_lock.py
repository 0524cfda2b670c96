"""Holds the lock while it closes a connection.

Breaks: nor while a connection is closed
Refused by: test_lock_is_short
Told: the lock is not needed for it
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
        keep = False
        try:
            keep = self._respond(connection)
        finally:
            with self._lock:
                if keep:
                    self._watched.add(connection)
                else:
                    connection.close()
            if keep:
                self._wake()
