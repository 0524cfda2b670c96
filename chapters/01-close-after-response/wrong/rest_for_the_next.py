"""Keeps the rest in a global, for the next call: another client's, perhaps.

Breaks: Nothing is kept for another call, which may be for another client, at the same
time
Refused by: test_each_call_begins_anew
Told: Bytes of one client are given out for another's
"""

import socket

left = b""


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    global left
    received, left = left, b""
    while b"\r\n\r\n" not in received:
        if len(received) >= limit:
            raise ValueError("too long")
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
    head, end, left = received.partition(b"\r\n\r\n")
    if len(head + end) > limit:
        raise ValueError("too long")
    return head + end, left
