"""Tries again and again where a socket has no room and must not wait.

Breaks: Every OSError goes to the caller, TimeoutError as well
Refused by: test_errors
Told: It went on after the BlockingIOError
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    left = memoryview(head + body)
    calls = 0
    while left:
        calls += 1
        try:
            left = left[sock.send(left) :]
        except BlockingIOError:
            continue
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
