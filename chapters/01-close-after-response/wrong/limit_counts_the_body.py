"""Counts what follows the head to its length.

Breaks: Raises ValueError if the head is longer than `limit` bytes
Refused by: test_limit_is_exact
Told: A limit that counts the body refuses good requests
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
        if len(received) > limit:
            raise ValueError("too long")
    head, end, rest = received.partition(b"\r\n\r\n")
    return head + end, rest
