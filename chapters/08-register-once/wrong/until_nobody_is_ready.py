"""Serves in one round as long as somebody is ready.

Breaks: call `selector.select(timeout)` once, then the callbacks
Refused by: test_one_select
Told: serves those who talk most
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
        while ready := self._selector.select(timeout):
            timeout = 0
            for key, _ in ready:
                if registered.get(key.fd) is not key:
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
