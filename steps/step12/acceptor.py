"""Accept connections, as long as there is room for them."""

import errno
import logging
import selectors
import socket
from collections.abc import Iterator

from steps.step10.server import MAX_ACCEPTS
from steps.step11.server import MAX_NOT_SENT_BYTES

log = logging.getLogger(__name__)

# What accept() says when the process, or the system, can hold no more connections.
OVERLOAD = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# After that it accepts nobody for so long, unless one of our connections is closed ...
OVERLOAD_PAUSE_S = 0.5
# ... and does not write it into the log again for so long.
LOG_INTERVAL_S = 10.0


# [acceptor]
class Acceptor:
    """Owns the listener. It is watched only while a connection could be accepted: at
    other times it would be ready in every round, and the loop would spin."""

    def __init__(
        self, listener: socket.socket, selector: selectors.BaseSelector
    ) -> None:
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_NOT_SENT_BYTES
        )
        self._listener = listener
        self.paused_until = 0.0  # after an overload; on the server's clock
        self._selector = selector
        self._watched = False
        self._next_log = 0.0

    def watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        elif self._watched and not wanted:
            self._selector.unregister(self._listener)
        self._watched = wanted

    def accept(self, now: float, most: int) -> Iterator[socket.socket]:
        """Accept those that wait, at most `most`. When there is overload, pause."""
        for _ in range(min(most, MAX_ACCEPTS)):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return  # all are accepted
            except OSError as error:
                if error.errno not in OVERLOAD:
                    continue  # that client has gone already
                self.paused_until = now + OVERLOAD_PAUSE_S
                if now >= self._next_log:
                    self._next_log = now + LOG_INTERVAL_S
                    log.warning("no room for another connection: %s", error.strerror)
                return
            yield sock

    # [/acceptor]

    def close(self) -> None:
        self.watch(False)
        self._listener.close()
