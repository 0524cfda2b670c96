"""Read a request that arrives in pieces.

Work in this file. `pytest chapters/01-close-after-response` checks it.
"""

import socket

#: What ends the head of a request: an empty line.
END_OF_HEAD = b"\r\n\r\n"


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    r"""Read the head of one request: its lines, with the empty line that ends them.

    Returns the head, and what was received behind it: the beginning of a body, or of
    the next request. Returns None if the client closes the connection before the head
    is complete, for nobody is left who could be answered.

    Receives no more than it needs: as soon as the head is there it returns. Raises
    ValueError if the head is longer than `limit` bytes, and does not wait for more when
    so many have come without its end. Nothing is kept for another call, which may be
    for another client, at the same time. The bytes need not be text.

    Example: a client sends b"GET / HTTP/1.1\r\nHo", then b"st: a\r\n\r\n".

        >>> read_head(sock)
        (b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', b'')

    sock: a connected, blocking socket, and left so. `sock.recv(n)` waits until
    something is there, and gives at least one byte and at most n; it gives b"" when the
    client has closed. What else it raises is left to the caller.
    """
    # TODO: this takes the first piece for the whole.
    head, end, rest = sock.recv(4096).partition(END_OF_HEAD)
    return head + end, rest
