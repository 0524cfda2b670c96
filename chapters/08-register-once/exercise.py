"""Write the heart of a reactor: a loop that calls back whoever is ready.

Work in this file. `pytest chapters/08-register-once` checks it.
"""

import selectors
import socket
from collections.abc import Callable

Callback = Callable[[socket.socket], object]


class Reactor:
    r"""Calls a socket's callback whenever the socket is readable.

    Everything happens in one thread: the callbacks run in `run_once()`, and the other
    methods are called before it or by callbacks.

    Example: whatever comes is printed.

        >>> reactor = Reactor(selectors.DefaultSelector(), print)
        >>> ours, theirs = socket.socketpair()
        >>> reactor.register(ours, lambda sock: print(sock.recv(100)))
        >>> theirs.send(b"a")
        1
        >>> reactor.run_once()
        b'a'

    selector: what to ask which sockets are ready. The reactor alone uses it.
    on_error: called as `on_error(sock, error)` when a callback has raised.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        on_error: Callable[[socket.socket, Exception], object],
    ) -> None:
        self._selector = selector
        self._on_error = on_error
        self._callbacks: dict[socket.socket, Callback] = {}
        self._stopped = False

    def register(self, sock: socket.socket, callback: Callback) -> None:
        """Call `callback(sock)` in each round in which `sock` is readable.

        Whoever registers during a round has its first turn in the next one, also if
        the same socket was registered before, or another one with the same number.

        The selector is told here, once: not in every round. A socket is not registered
        twice: it is unregistered in between.
        """
        # TODO: this remembers the socket itself, as step 07 does, and tells the
        # selector the whole set in each round. What else is missing, the checks say.
        self._callbacks[sock] = callback

    def unregister(self, sock: socket.socket) -> None:
        """From now on do not call its callback, not even later in this round.

        A registered socket is unregistered before it is closed. For a socket that is
        not registered this does nothing, even if that socket is closed.
        """
        del self._callbacks[sock]

    def run_once(self, timeout: float | None = None) -> None:
        """Do one round: call `selector.select(timeout)` once, then the callbacks.

        If a callback raises an Exception, its socket is unregistered at once, also if
        the callback has registered it again; then `on_error(sock, error)` is called,
        and the round goes on with the others. `on_error` may close the socket; it does
        not raise. What is no Exception, such as KeyboardInterrupt, comes out of here.

        What a round costs depends on how many sockets are ready, not on how many are
        registered.

        timeout: how many seconds `select()` waits at most; None waits without a limit.
        """
        for sock in self._callbacks:
            self._selector.register(sock, selectors.EVENT_READ)
        ready = self._selector.select(timeout)
        for sock in self._callbacks:
            self._selector.unregister(sock)
        for key, _ in ready:
            if isinstance(key.fileobj, socket.socket):
                self._callbacks[key.fileobj](key.fileobj)

    def run(self) -> None:
        """Do rounds until a callback calls `stop()`, and wait without a limit in each.

        The round in which that happens is done to its end. What comes out of a round,
        comes out of here.
        """
        while not self._stopped:
            self.run_once(0.1)

    def stop(self) -> None:
        """Called by a callback: `run()` returns after this round."""
        self._stopped = True
