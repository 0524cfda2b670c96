"""Tells the selector the whole set in every round, and takes it back.

Breaks: The selector is told here, once: not in every round
Refused by: test_register_once
Told: The kernel remembers the set
"""

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
        self._callbacks: dict[socket.socket, Callback] = {}

    def register(self, sock: socket.socket, callback: Callback) -> None:
        self._callbacks[sock] = callback

    def unregister(self, sock: socket.socket) -> None:
        self._callbacks.pop(sock, None)

    def run_once(self, timeout: float | None = None) -> None:
        keys = [
            self._selector.register(sock, selectors.EVENT_READ, callback)
            for sock, callback in self._callbacks.items()
        ]
        ready = self._selector.select(timeout)
        for key in keys:
            self._selector.unregister(key.fileobj)
        for key, _ in ready:
            sock = cast(socket.socket, key.fileobj)
            callback = self._callbacks.get(sock)
            if callback is None or callback is not key.data:
                continue
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
