"""After a short write within the body, sends the body from its start.

Breaks: Send the head and the body of a response, whole and in order
Refused by: test_short_write
Told: does not begin where the kernel stopped
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    sent = sock.sendmsg([head, body])
    calls = 1
    if sent < len(head) + len(body):
        rest = memoryview(head[sent:] + body if sent < len(head) else body)
        while rest:
            rest = rest[sock.send(rest) :]
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
