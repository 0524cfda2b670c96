"""Copies what is registered in each round, to see afterwards what has changed.

Breaks: What a round costs depends on how many sockets are ready, not on how many are
registered
Refused by: test_cost
Told: A copy is one line, and goes over all
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
        self._callbacks: dict[socket.socket, list[Callback]] = {}

    def register(self, sock: socket.socket, callback: Callback) -> None:
        self._selector.register(sock, selectors.EVENT_READ, callback)
        self._callbacks[sock] = [callback]

    def unregister(self, sock: socket.socket) -> None:
        self._callbacks.pop(sock, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def run_once(self, timeout: float | None = None) -> None:
        before = dict(self._callbacks)
        for key, _ in self._selector.select(timeout):
            sock = cast(socket.socket, key.fileobj)
            if self._callbacks.get(sock) is not before[sock]:
                continue
            try:
                key.data(sock)
            except Exception as error:
                self.unregister(sock)
                self._on_error(sock, error)

    def run(self) -> None:
        while not self._stopped:
            self.run_once()

    def stop(self) -> None:
        self._stopped = True
