"""The thread that accepts, and does nothing else."""

import select
import socket
from collections.abc import Callable

from steps.step01.stop_event import StopEvent
from steps.step02.accepting import AcceptStats, accept


def accept_until(
    stop: StopEvent,
    listener: socket.socket,
    stats: AcceptStats,
    welcome: Callable[[socket.socket], None],
) -> None:
    """Call `welcome` with each new client's socket, until `stop` is set."""
    while not stop.is_set:
        ready, _, _ = select.select([stop.fileno(), listener.fileno()], [], [])
        if listener.fileno() in ready and (sock := accept(listener, stats)):
            welcome(sock)
