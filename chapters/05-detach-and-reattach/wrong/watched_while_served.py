"""Leaves the connection in the set, as step 04 did.

Breaks: Gives each connection one owner at a time: the loop, or a worker
Refused by: test_out_of_the_set
Told: each time another worker gets the same connection
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
        try:
            self._submit(connection)
        except BaseException:
            with self._lock:
                self._watched.remove(connection)
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
