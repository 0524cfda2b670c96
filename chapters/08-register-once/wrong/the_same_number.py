"""Takes a number that is registered for the socket that had it.

Breaks: Whoever registers during a round has its first turn in the next one
Refused by: test_number_reused
Told: gives a closed descriptor's number to the next one
"""

import selectors
import socket
from collections.abc import Callable

Callback = Callable[[socket.socket], object]


class Reactor:
    def __init__(
        self,
        selector: selectors.BaseSelector,
        on_error: Callable[[socket.socket, Exception], object],
    ) -> None:
        self._selector = selector
        self._on_error = on_error
        self._registered: dict[int, tuple[socket.socket, Callback]] = {}
        self._stopped = False

    def register(self, sock: socket.socket, callback: Callback) -> None:
        self._selector.register(sock, selectors.EVENT_READ)
        self._registered[sock.fileno()] = sock, callback

    def unregister(self, sock: socket.socket) -> None:
        if sock.fileno() in self._registered:
            self._selector.unregister(sock)
            del self._registered[sock.fileno()]

    def run_once(self, timeout: float | None = None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fd not in self._registered:
                continue
            sock, callback = self._registered[key.fd]
            try:
                callback(sock)
            except Exception as error:
                self.unregister(sock)
                self._on_error(sock, error)

    def run(self) -> None:
        while not self._stopped:
            self.run_once()

    def stop(self) -> None:
        self._stopped = True
