"""Take the next client from the listener, if `select()` will be able to watch it."""

import logging
import socket
from dataclasses import dataclass

# The size of select()'s set of descriptors, fixed when the C library was compiled.
# Python's select() raises ValueError from here on; C's writes past the end of the set.
FD_SETSIZE = 1024

log = logging.getLogger(__name__)


@dataclass
class AcceptStats:
    accepted: int = 0
    refused: int = 0  # their descriptor was FD_SETSIZE or more


def accept(listener: socket.socket, stats: AcceptStats) -> socket.socket | None:
    """Return a blocking socket, or None where there is no client that can be served."""
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
