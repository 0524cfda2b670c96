"""Joins the buffers, and so copies all of them.

Breaks: Copies nothing: what a call gets is the buffers themselves, or a memoryview of
one
Refused by: test_buffers
Told: To join the buffers, so that send() takes them
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    data = memoryview(head + body)
    sent = calls = 0
    while sent < len(data):
        sent += sock.send(data[sent:])
        calls += 1
    return calls


def send_buffers(sock: socket.socket, buffers: Sequence[bytes]) -> int:
    return send_response(sock, b"".join(buffers), b"")
