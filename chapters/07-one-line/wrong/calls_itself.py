"""Calls itself for what is left, and so at most a thousand times.

Breaks: and so on, thousands of times for a client that reads slowly
Refused by: test_many_short_writes
Told: use a loop
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    return send(sock, memoryview(head + body))


def send(sock: socket.socket, left: memoryview) -> int:
    sent = sock.send(left)
    if sent == len(left):
        return 1
    return 1 + send(sock, left[sent:])


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
