"""After a short write, sends everything again.

Breaks: Send the head and the body of a response, whole and in order
Refused by: test_short_write
Told: receives them twice
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    data = head + body
    calls = 1
    while sock.send(data) < len(data):
        calls += 1
    return calls


def send_buffers(sock: socket.socket, buffers: Sequence[bytes]) -> int:
    left = [memoryview(buffer) for buffer in buffers if buffer]
    calls = 0
    while left:
        sent = sock.sendmsg(left[:MOST_BUFFERS])
        calls += 1
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]
    return calls
