"""Sends the first MOST_BUFFERS to their end, and then the next ones.

Breaks: or the first MOST_BUFFERS of what is left if these are more
Refused by: test_many_buffers
Told: not of what the call before it left over
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
    filled = [buffer for buffer in buffers if buffer]
    calls = 0
    for first in range(0, len(filled), MOST_BUFFERS):
        left = [memoryview(buffer) for buffer in filled[first : first + MOST_BUFFERS]]
        while left:
            sent = sock.sendmsg(left)
            calls += 1
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if left:
                left[0] = left[0][sent:]
    return calls
