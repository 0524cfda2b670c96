"""After a short write within the head, sends the head to its end, and then the body.

Breaks: the next call gives it all of the rest
Refused by: test_short_write
Told: 38 bytes, of which 38 were taken
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    sent = sock.sendmsg([head, body])
    calls = 1
    view = memoryview(head)
    while sent < len(head):
        sent += sock.send(view[sent:])
        calls += 1
    view = memoryview(body)
    sent -= len(head)
    while sent < len(body):
        sent += sock.send(view[sent:])
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
