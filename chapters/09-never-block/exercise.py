"""Say what a connection is to be watched for, tell the selector, and send what fits.

Work in this file. `pytest chapters/09-never-block` checks it.
"""

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
    """What the selector is to watch for: EVENT_READ, EVENT_WRITE, both (|), or 0.

    1. BROKEN: 0, whatever else is the case.
    2. Otherwise EVENT_WRITE if something is unsent, and only then.
    3. EVENT_READ in the states OPEN and LINGERING, unless the client has ended. There
       is no further condition in LINGERING.
    4. OPEN, while a request is being answered: no EVENT_READ.
    5. OPEN, with more bytes unsent than the mark: no EVENT_READ. With as many as the
       mark, or fewer, it is read again.

    It changes nothing, neither in the connection nor elsewhere, and asks nobody: the
    same values give the same result, whatever was asked before.

    Example: a client has sent a request, and there is room to send the answer.

        >>> interest(Connection(sock, unsent=70)) == EVENT_READ | EVENT_WRITE
        True
    """
    # TODO: this watches for everything, all the time; what is below, too, is naive.
    return EVENT_READ | EVENT_WRITE


def update(selector: selectors.BaseSelector, connection: Connection) -> None:
    """Make the selector watch the connection's socket for what `interest()` says.

    Whoever has changed something in a connection calls this afterwards. It calls one of
    the selector's methods if something else is to be watched for than until now, and
    none of them otherwise:

    - `register(sock, events, connection)` if the socket is not registered;
    - `modify(sock, events, connection)` if it is;
    - `unregister(sock)` if the interest is 0 now. A selector cannot watch for nothing.

    Only this function tells the selector of connections. What is watched for at the
    moment can be asked: `selector.get_map().get(sock)` is a key with `events`, or None
    if the socket is not registered. The selector may have other sockets as well, and
    there may be other selectors, which know other things.
    """
    selector.register(connection.sock, interest(connection), connection)


def send_some(connection: Connection, output: bytearray) -> None:
    """Send of `output`, the bytes that are unsent, what the kernel takes now.

    It does not wait: the kernel may take all, some, or nothing, which is
    BlockingIOError. What was sent is removed from `output`. The rest stays in it, for
    the next time, and `connection.unsent` says how much that is.

    If the socket fails, with any other OSError, the state is BROKEN. Nothing is raised.
    """
    connection.sock.send(output)
    output.clear()
    connection.unsent = 0
