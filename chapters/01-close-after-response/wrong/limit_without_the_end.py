"""Counts the lines of the head, and not the empty one.

Breaks: Raises ValueError if the head is longer than `limit` bytes
Refused by: test_limit_is_exact
Told: The empty line is part of the head
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
    head, end, rest = received.partition(b"\r\n\r\n")
    if len(head) > limit:
        raise ValueError("too long")
    return head + end, rest
