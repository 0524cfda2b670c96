"""Takes an error for the end of the buffers.

Breaks: or there is none, that is 0 calls. OSError goes to the caller
Refused by: test_buffers_errors
Told: send_buffers(sock, [head, body]) where the kernel takes 0 bytes
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
    while left:
        try:
            sent = sock.sendmsg(left[:MOST_BUFFERS])
        except OSError:
            return calls
        calls += 1
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]
    return calls
