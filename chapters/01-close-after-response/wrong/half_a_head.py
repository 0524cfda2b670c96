"""Gives half a head for a whole one when the client closes.

Breaks: Returns None if the client closes the connection before the head is complete
Refused by: test_hang_up
Told: Half a head is no request
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(4096)
        if not piece:
            break
        received += piece
        if b"\r\n\r\n" not in received and len(received) >= limit:
            raise ValueError("too long")
    head, end, rest = received.partition(b"\r\n\r\n")
    return head + end, rest
