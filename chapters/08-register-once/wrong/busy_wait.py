"""Asks again and again, in place of waiting.

Breaks: and wait without a limit in each
Refused by: test_run
Told: burns a processor
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
        for key, _ in self._selector.select(timeout):
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
            self.run_once(0)

    def stop(self) -> None:
        self._stopped = True
