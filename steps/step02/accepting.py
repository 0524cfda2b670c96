"""Take the next client from the listener, if `select()` will be able to watch it."""

import logging
import socket
from dataclasses import dataclass

# select() can watch the descriptors 0 to 1023: the size of its set was fixed when the C
# library was compiled. For a larger one Python's select() raises ValueError; a program
# in C writes past the end of the set.
FD_SETSIZE = 1024

log = logging.getLogger(__name__)


@dataclass
class AcceptStats:
    accepted: int = 0
    refused: int = 0  # their descriptor was FD_SETSIZE or more


def accept(listener: socket.socket, stats: AcceptStats) -> socket.socket | None:
    """Return the next client's socket, or None if there is none that can be served."""
    try:
        sock, _ = listener.accept()
    except OSError:
        return None  # the client has gone already, or descriptors have run out
    if sock.fileno() < FD_SETSIZE:
        stats.accepted += 1
        return sock
    if stats.refused == 0:
        log.warning("select() cannot watch descriptor %d: refused", sock.fileno())
    stats.refused += 1
    sock.close()
    return None
