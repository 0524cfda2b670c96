"""Looks through all that are registered for those that are ready.

Breaks: What a round costs depends on how many sockets are ready, not on how many are
registered
Refused by: test_cost
Told: A walk over all
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
        registered = list(self._selector.get_map().items())
        ready = {key.fd for key, _ in self._selector.select(timeout)}
        for fd, key in registered:
            if fd not in ready or self._selector.get_map().get(fd) is not key:
                continue
            sock = cast(socket.socket, key.fileobj)
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
