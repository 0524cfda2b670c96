"""Looks for the end of the head in the newest piece only.

Breaks: its lines, with the empty line that ends them
Refused by: test_cut_anywhere
Told: The end has to be looked for in all that has come
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    received = b""
    while True:
        piece = sock.recv(4096)
        if not piece:
            return None
        head, end, rest = piece.partition(b"\r\n\r\n")
        received += head + end
        if len(received) > limit:
            raise ValueError("too long")
        if end:
            return received, rest
