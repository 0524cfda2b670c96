"""Expects a full queue of submit(), and no other exception.

Breaks: That may be any exception, KeyboardInterrupt as well
Refused by: test_no_room
Told: where submit() raises RuntimeError
"""

import queue
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
        except queue.Full:
            connection.close()
            raise

    def serve(self, connection: socket.socket) -> None:
        keep = False
        try:
            keep = self._respond(connection)
        finally:
            if not keep:
                connection.close()
        if keep:
            with self._lock:
                self._watched.add(connection)
            self._wake()
