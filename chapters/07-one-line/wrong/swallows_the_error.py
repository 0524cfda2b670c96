"""Takes an error for the end.

Breaks: Every OSError goes to the caller, TimeoutError as well
Refused by: test_errors
Told: the caller does not learn of it
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    data = memoryview(head + body)
    sent = calls = 0
    while sent < len(data):
        calls += 1
        try:
            sent += sock.send(data[sent:])
        except OSError:
            break
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
