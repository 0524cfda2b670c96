"""Takes away at most one buffer for each call.

Breaks: The kernel may stop within a buffer, or between two
Refused by: test_buffers
Told: gets the end of it again
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
    left = [memoryview(buffer) for buffer in buffers if buffer]
    calls = 0
    while left:
        sent = sock.sendmsg(left[:MOST_BUFFERS])
        calls += 1
        if left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]
    return calls
