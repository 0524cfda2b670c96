"""Stops at the length, and cuts no piece.

Breaks: Bytes beyond it are cut off
Refused by: test_too_long
Told: The border may lie within a piece
"""

from collections.abc import Callable, Iterable


def send_body(
    send: Callable[[bytes], None],
    body: Iterable[bytes],
    *,
    method: str,
    status: int,
    version: tuple[int, int],
    length: int | None,
) -> bool:
    try:
        if method == "HEAD" or status in (204, 304):
            return True
        if length is not None:
            return _send_counted(send, body, length)
        if version == (1, 1):
            return _send_chunks(send, body)
        for piece in body:
            send(piece)
        return False
    finally:
        if hasattr(body, "close"):
            body.close()


def _send_counted(
    send: Callable[[bytes], None], body: Iterable[bytes], left: int
) -> bool:
    pieces = iter(body)
    while left > 0:
        piece = next(pieces, None)
        if piece is None:
            return False
        send(piece)
        left -= len(piece)
    return True


def _send_chunks(send: Callable[[bytes], None], body: Iterable[bytes]) -> bool:
    for piece in body:
        if piece:
            send(b"%x\r\n%b\r\n" % (len(piece), piece))
    send(b"0\r\n\r\n")
    return True
