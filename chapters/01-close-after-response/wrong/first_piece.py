"""Takes what the first recv() gives for the whole head.

Breaks: its lines, with the empty line that ends them
Refused by: test_pieces
Told: one call is not one request
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = sock.recv(limit)
    if not received:
        return None
    head, end, rest = received.partition(b"\r\n\r\n")
    return head + end, rest
