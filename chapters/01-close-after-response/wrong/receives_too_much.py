"""Receives all that has been sent, although the head is there.

Breaks: Receives no more than it needs: as soon as the head is there it returns
Refused by: test_no_more_than_needed
Told: takes what the head does not need
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = piece = b""
    while b"\r\n\r\n" not in received or len(piece) == 4096:
        if b"\r\n\r\n" not in received and len(received) >= limit:
            raise ValueError("too long")
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
    head, end, rest = received.partition(b"\r\n\r\n")
    if len(head + end) > limit:
        raise ValueError("too long")
    return head + end, rest
