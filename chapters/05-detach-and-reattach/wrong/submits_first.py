"""Submits the connection before it takes it out of the set: a race.

Breaks: so the worker may be done before submit() returns
Refused by: test_quick_worker
Told: The worker had put it back into the set, and then it was taken out
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
            connection.close()
            raise
        finally:
            with self._lock:
                self._watched.discard(connection)

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
