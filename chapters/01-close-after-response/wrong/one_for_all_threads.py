"""Begins anew each time, with a global: two threads mix their clients up.

Breaks: Nothing is kept for another call, which may be for another client, at the same
time
Refused by: test_each_call_begins_anew
Told: a global is there for all of them
"""

import socket

received = b""


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    global received
    received = b""
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
