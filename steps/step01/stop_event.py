"""A way to end a `select()` that would otherwise wait for ever."""

import socket


class StopEvent:
    """Like `threading.Event`, and `select()` can watch it: once set, it is readable.

    A thread that sleeps in `select()` does not notice a flag. So `set()` also sends a
    byte through two sockets that are connected to each other, and `select()` watches
    the receiving one. Each of them holds a descriptor until `close()`.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self.is_set = False

    def fileno(self) -> int:
        """The descriptor to watch for reading; -1 once closed."""
        return self._receiver.fileno()

    def set(self) -> None:
        """Set it. Any thread or signal handler may do so, and more than once; it never
        blocks."""
        self.is_set = True
        try:
            self._sender.send(b"\0")
        except OSError:
            pass  # full, so it is readable already; or closed: nobody watches it

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()
