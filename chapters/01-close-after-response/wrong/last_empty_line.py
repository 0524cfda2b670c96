"""Takes the last empty line for the end of the head.

Breaks: its lines, with the empty line that ends them
Refused by: test_what_follows
Told: it is cut at the wrong place
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        if len(received) >= limit:
            raise ValueError("too long")
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
    head, end, rest = received.rpartition(b"\r\n\r\n")
    if len(head + end) > limit:
        raise ValueError("too long")
    return head + end, rest
