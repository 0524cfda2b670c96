"""Closes the socket when it has the head: nobody can answer now.

Breaks: a connected, blocking socket, and left so
Refused by: test_another_request
Told: The caller has to answer through this socket
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    with sock:
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
        return head + end, rest
