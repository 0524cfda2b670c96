"""Takes bytes for text.

Breaks: The bytes need not be text
Refused by: test_bytes
Told: What a client sends is bytes, and they need not be text
"""

import socket


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    text = ""
    while "\r\n\r\n" not in text:
        if len(text) >= limit:
            raise ValueError("too long")
        piece = sock.recv(4096)
        if not piece:
            return None
        text += piece.decode()
    head, end, rest = text.partition("\r\n\r\n")
    if len(head + end) > limit:
        raise ValueError("too long")
    return (head + end).encode(), rest.encode()
