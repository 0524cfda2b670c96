"""Submits the connection again and again until there is room.

Breaks: If submit() raises, nobody will serve the connection. It is not tried again
Refused by: test_no_room
Told: While the loop tries it again, it watches nobody
"""

import queue
import socket
import threading
import time
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
        while True:
            try:
                self._submit(connection)
                return
            except queue.Full:
                time.sleep(0.01)
            except BaseException:
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
