"""Calls itself for the buffers that are left, and so at most a thousand times.

Breaks: and thousands of times. Leaves
Refused by: test_buffers_short_write
Told: A function that calls itself
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    left = memoryview(head + body)
    calls = 0
    while left:
        left = left[sock.send(left) :]
        calls += 1
    return calls


def send_buffers(sock: socket.socket, buffers: Sequence[bytes | memoryview]) -> int:
    left = [memoryview(buffer) for buffer in buffers if buffer]
    if not left:
        return 0
    sent = sock.sendmsg(left[:MOST_BUFFERS])
    while left and sent >= len(left[0]):
        sent -= len(left.pop(0))
    if left:
        left[0] = left[0][sent:]
    return 1 + send_buffers(sock, left)
