"""Accept connections, as long as there is room for them."""

import contextlib
import errno
import logging
import selectors
import socket
from collections.abc import Iterator

from steps.step09.server import MAX_ACCEPTS

log = logging.getLogger(__name__)

# What accept() says of a client that has left before it was accepted, or of the network
# between it and us: see accept(2), "Error handling". The next one may be there.
CLIENT_LEFT = {
    *(errno.ECONNABORTED, errno.ECONNRESET, errno.EPROTO, errno.EPERM),
    *(errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN),
    *(errno.EHOSTUNREACH, errno.ENOPROTOOPT, errno.EOPNOTSUPP),
}
# After any other error it accepts nobody for so long, unless one of our connections is
# closed. Most often, the process or the system can hold no more descriptors ...
OVERLOAD_PAUSE_S = 0.5
# ... and it does not write that into the log again for so long.
LOG_INTERVAL_S = 10.0


# [acceptor]
class Acceptor:
    """Owns the listener. It is watched only while a connection could be accepted: at
    other times it would be ready in every round, and the loop would spin."""

    def __init__(
        self, listener: socket.socket, selector: selectors.BaseSelector
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._watched = False
        self.paused_until = 0.0  # on the server's clock
        self._next_log = 0.0

    def watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif self._watched and not wanted:
            self._selector.unregister(self._listener)
        self._watched = wanted

    def accept(self, now: float, most: int) -> Iterator[socket.socket]:
        """Accept those that wait, at most `most`. When there is no room, pause."""
        for _ in range(min(most, MAX_ACCEPTS)):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return  # all are accepted
            except OSError as error:
                if error.errno in CLIENT_LEFT:
                    continue
                self.pause(now, error)
                return
            yield sock

    def pause(self, now: float, error: OSError) -> None:
        """There is no room for another connection, as this error says."""
        self.paused_until = now + OVERLOAD_PAUSE_S
        if error.errno == errno.EINVAL:
            return  # the listener has been shut down: it is about to be closed
        if now >= self._next_log:
            self._next_log = now + LOG_INTERVAL_S
            with contextlib.suppress(BaseException):  # see report() in app.py
                log.warning("no room for another connection: %s", error.strerror)

    # [/acceptor]

    def close(self) -> None:
        self.watch(False)
        self._listener.close()
