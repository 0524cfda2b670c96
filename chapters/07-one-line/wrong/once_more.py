"""Goes on after one short write, and believes that there is no second one.

Breaks: and so on, thousands of times for a client that reads slowly
Refused by: test_many_short_writes
Told: the kernel may take a part again
"""

import socket
from collections.abc import Sequence

MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    data = memoryview(head + body)
    sent = sock.send(data)
    if sent == len(data):
        return 1
    sock.send(data[sent:])
    return 2


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
