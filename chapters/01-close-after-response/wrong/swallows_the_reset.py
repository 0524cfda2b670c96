"""Treats an error of the socket like a client who closes.

Breaks: What else it raises is left to the caller
Refused by: test_reset
Told: An exception swallowed here
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while True:
        try:
            piece = sock.recv(4096)
        except OSError:
            return None
        if not piece:
            return None
        received += piece
        head, end, rest = received.partition(b"\r\n\r\n")
        if end and len(head + end) <= limit:
            return head + end, rest
        if len(received) >= limit:
            raise ValueError("too long")
