"""Gives the head without the empty line.

Breaks: its lines, with the empty line that ends them
Refused by: test_another_request
Told: The empty line that ends the head is part of it, and
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
    if len(head + end) > limit:
        raise ValueError("too long")
    return head, rest
