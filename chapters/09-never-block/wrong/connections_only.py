"""Knows of clients that have gone, and of no other way in which a socket fails.

Breaks: If the socket fails, with any other OSError, the state is BROKEN
Refused by: test_gone
Told: where the socket is not connected
"""

import selectors
import socket
from dataclasses import dataclass
from enum import Enum, auto
from selectors import EVENT_READ, EVENT_WRITE


class State(Enum):
    OPEN = auto()
    LAST = auto()
    LINGERING = auto()
    BROKEN = auto()


@dataclass
class Connection:
    sock: socket.socket
    state: State = State.OPEN
    unsent: int = 0
    mark: int = 65_536
    answering: bool = False
    ended: bool = False


def interest(connection: Connection) -> int:
    if connection.state is State.BROKEN:
        return 0
    events = 0
    if connection.unsent:
        events |= EVENT_WRITE
    if _wants_input(connection) and not connection.ended:
        events |= EVENT_READ
    return events


def _wants_input(connection: Connection) -> bool:
    if connection.state is State.OPEN:
        return not connection.answering and connection.unsent <= connection.mark
    return connection.state is State.LINGERING


def update(selector: selectors.BaseSelector, connection: Connection) -> None:
    sock = connection.sock
    key = selector.get_map().get(sock)
    watched = key.events if key else 0
    events = interest(connection)
    if events == watched:
        return
    if not events:
        selector.unregister(sock)
    elif not watched:
        selector.register(sock, events, connection)
    else:
        selector.modify(sock, events, connection)


def send_some(connection: Connection, output: bytearray) -> None:
    try:
        sent = connection.sock.send(output)
    except BlockingIOError:
        return
    except ConnectionError:
        connection.state = State.BROKEN
        return
    del output[:sent]
    connection.unsent = len(output)
