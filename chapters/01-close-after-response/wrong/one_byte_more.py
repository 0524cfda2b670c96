"""Waits for one byte more than the limit.

Breaks: does not wait for more when so many have come without its end
Refused by: test_not_a_byte_more
Told: Who waits for one byte more
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while True:
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
        head, end, rest = received.partition(b"\r\n\r\n")
        if len(head + end) > limit:
            raise ValueError("too long")
        if end:
            return head + end, rest
