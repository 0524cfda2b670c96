"""Reports an exception, and leaves the rest of the round undone.

Breaks: and the round goes on with the others
Refused by: test_callback_raises
Told: the round goes on after a mistake in one callback
"""

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import cast

Callback = Callable[[socket.socket], object]


class Reactor:
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
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def run_once(self, timeout: float | None = None) -> None:
        registered = self._selector.get_map()
        ready = self._selector.select(timeout)
        try:
            for key, _ in ready:
                if registered.get(key.fd) is key:
                    sock = cast(socket.socket, key.fileobj)
                    key.data(sock)
        except Exception as error:
            self.unregister(sock)
            self._on_error(sock, error)

    def run(self) -> None:
        while not self._stopped:
            self.run_once()

    def stop(self) -> None:
        self._stopped = True
