"""Read a request that arrives in pieces: an answer."""

import socket

#: What ends the head of a request: an empty line.
END_OF_HEAD = b"\r\n\r\n"


def read_head(sock: socket.socket, limit: int = 8192) -> tuple[bytes, bytes] | None:
    """Read the head of one request; see exercise.py for the contract."""
    received = b""
    while True:
        piece = sock.recv(4096)
        if not piece:
            return None
        received += piece
        # In all that came so far: the end itself may have arrived in two pieces.
        head, end, rest = received.partition(END_OF_HEAD)
        if end and len(head + end) <= limit:
            return head + end, rest
        if len(received) >= limit:
            raise ValueError(f"the head is longer than {limit} bytes")
