"""Calls sendmsg() once, also where there is nothing to send.

Breaks: No call is made when nothing is left to send
Refused by: test_empty_buffers
Told: where the kernel would take all
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
    left = [memoryview(buffer) for buffer in buffers if buffer]
    calls = 0
    while True:
        sent = sock.sendmsg(left[:MOST_BUFFERS])
        calls += 1
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if not left:
            return calls
        left[0] = left[0][sent:]
