"""Write the heart of a reactor: an answer."""

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import cast

Callback = Callable[[socket.socket], object]


class Reactor:
    """Calls a socket's callback when it is readable; see exercise.py for the contract.

    It has no list of its own: the selector's is the only one.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        on_error: Callable[[socket.socket, Exception], object],
    ) -> None:
        self._selector = selector
        self._on_error = on_error
        self._stopped = False

    def register(self, sock: socket.socket, callback: Callback) -> None:
        self._selector.register(sock, selectors.EVENT_READ, callback)

    def unregister(self, sock: socket.socket) -> None:
        # KeyError: it is not registered. ValueError: nor is it, and it is closed.
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def run_once(self, timeout: float | None = None) -> None:
        registered = self._selector.get_map()
        for key, _ in self._selector.select(timeout):
            # A callback of this round may have unregistered this socket, and the number
            # may be another's by now. Each registration has a key of its own.
            if registered.get(key.fd) is not key:
                continue
            sock = cast(socket.socket, key.fileobj)
            try:
                key.data(sock)
            except Exception as error:
                # First out of the selector: on_error may close it.
                self.unregister(sock)
                self._on_error(sock, error)

    def run(self) -> None:
        while not self._stopped:
            self.run_once()

    def stop(self) -> None:
        self._stopped = True
