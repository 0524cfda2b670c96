"""Send a response in one write, and go on after a short one: an answer."""

import socket
from collections import deque
from collections.abc import Sequence
from itertools import islice

#: How many buffers one sendmsg() may be given. With more, the kernel refuses the call.
MOST_BUFFERS = 1024


def send_response(sock: socket.socket, head: bytes, body: bytes) -> int:
    """Send head and body together; see exercise.py for the contract."""
    # A slice of a memoryview is a view as well: it copies nothing.
    left = memoryview(head + body)
    calls = 0
    while left:
        left = left[sock.send(left) :]
        calls += 1
    return calls


def send_buffers(sock: socket.socket, buffers: Sequence[bytes]) -> int:
    """Send many buffers, and copy none; see exercise.py for the contract."""
    # Without the empty ones, something is left to send as long as a buffer is.
    left = deque(memoryview(buffer) for buffer in buffers if buffer)
    calls = 0
    while left:
        took = sock.sendmsg(islice(left, MOST_BUFFERS))
        calls += 1
        while left and took >= len(left[0]):
            took -= len(left.popleft())
        if took:
            left[0] = left[0][took:]
    return calls
