"""What a connection is watched for, and what is sent of its output: an answer."""

import selectors
import socket
from dataclasses import dataclass
from enum import Enum, auto
from selectors import EVENT_READ, EVENT_WRITE


class State(Enum):
    OPEN = auto()  # requests are read and answered
    LAST = auto()  # no further request is read: the last answer is on its way
    LINGERING = auto()  # it has been sent; what still comes is read and thrown away
    BROKEN = auto()  # the socket has failed: nothing can be read or sent


@dataclass
class Connection:
    """What is known about a client's connection. `sock` is open and non-blocking."""

    sock: socket.socket
    state: State = State.OPEN
    unsent: int = 0  # bytes of answers that are still to be sent
    mark: int = 65_536  # with more bytes unsent than this, no request is read
    answering: bool = False  # a request was read, and its answer is not there yet
    ended: bool = False  # recv() gave b"": the client will send no more


def interest(connection: Connection) -> int:
    """What the selector is to watch for; see exercise.py for the rules."""
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
        # A further request would wait here. So it waits where it takes no memory of
        # ours: in the kernel's buffer, and then in the client's.
        return not connection.answering and connection.unsent <= connection.mark
    return connection.state is State.LINGERING


def update(selector: selectors.BaseSelector, connection: Connection) -> None:
    """Make the selector watch the socket for that; see exercise.py for the contract."""
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
    """Send what the kernel takes now; see exercise.py for the contract."""
    try:
        sent = connection.sock.send(output)
    except BlockingIOError:
        return  # no room: the selector says when there is
    except OSError:
        connection.state = State.BROKEN
        return
    # A short write: the rest waits where it is.
    del output[:sent]
    connection.unsent = len(output)
