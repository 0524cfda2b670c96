"""A way to end a `select()` that would otherwise wait for ever."""

import socket


class StopEvent:
    """Like `threading.Event`, and `select()` can watch it: readable once set.

    A flag alone would not be seen by a thread that sleeps in `select()`. A byte in a
    socket pair is. It holds two descriptors until `close()`.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self.is_set = False

    def fileno(self) -> int:
        """The descriptor to watch for reading; -1 once closed."""
        return self._receiver.fileno()

    def set(self) -> None:
        """Return at once, from any thread or a signal handler, however often."""
        self.is_set = True
        try:
            self._sender.send(b"\0")
        except OSError:
            pass  # full: it is readable already; closed: nobody is left to stop

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()
