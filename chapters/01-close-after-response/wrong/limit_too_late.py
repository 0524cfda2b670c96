"""Looks at the limit only when the head is complete.

Breaks: does not wait for more when so many have come without its end
Refused by: test_no_end
Told: one client can fill the server's memory
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
    head, end, rest = received.partition(b"\r\n\r\n")
    if len(head + end) > limit:
        raise ValueError("too long")
    return head + end, rest
