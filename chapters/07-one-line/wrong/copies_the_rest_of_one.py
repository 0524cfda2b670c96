"""Copies what is left of a buffer in which the kernel stopped.

Breaks: Copies nothing: what a call gets is the buffers themselves, or a memoryview of
one
Refused by: test_buffers_short_write
Told: 38 bytes copied
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


def send_buffers(sock: socket.socket, buffers: Sequence[bytes]) -> int:
    left = [buffer for buffer in buffers if buffer]
    calls = 0
    while left:
        sent = sock.sendmsg(left[:MOST_BUFFERS])
        calls += 1
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]
    return calls
