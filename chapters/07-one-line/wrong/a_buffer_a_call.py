"""Sends each buffer by itself.

Breaks: Send many buffers in as few calls as that takes
Refused by: test_buffers
Told: A call was given one buffer
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
    return sum(send_response(sock, buffer, b"") for buffer in buffers)
