"""Puts the connection back before the response is sent.

Breaks: After the response, a connection that the client keeps is watched again
Refused by: test_after_the_response
Told: the loop gives it to a second worker while the first one responds
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
        with self._lock:
            self._watched.add(connection)
        keep = self._respond(connection)
        if keep:
            self._wake()
        else:
            with self._lock:
                self._watched.discard(connection)
            connection.close()
