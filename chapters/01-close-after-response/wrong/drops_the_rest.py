"""Throws away what came behind the head.

Breaks: and what was received behind it
Refused by: test_what_follows
Told: are lost, and with them a body or the next request
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
        if b"\r\n\r\n" not in received and len(received) >= limit:
            raise ValueError("too long")
    return received[: received.index(b"\r\n\r\n") + 4], b""
