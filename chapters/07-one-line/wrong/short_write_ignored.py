"""Believes that the kernel takes all it is given.

Breaks: Send the head and the body of a response, whole and in order
Refused by: test_short_write
Told: Nobody sends the rest
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    sock.send(head + body)
    return 1


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
