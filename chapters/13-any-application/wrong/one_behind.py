"""Looks for the next piece first, to know whether this one is the last.

Breaks: A piece is sent before the next one is asked for
Refused by: test_piece_by_piece
Told: The newest piece is held back
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
    while left:
        piece = next(pieces, None)
        if piece is None:
            return False
        piece = piece[:left]
        send(piece)
        left -= len(piece)
    return True


def _send_chunks(send: Callable[[bytes], None], body: Iterable[bytes]) -> bool:
    pieces = iter(body)
    piece = next(pieces, None)
    while piece is not None:
        following = next(pieces, None)
        if piece:
            send(b"%x\r\n%b\r\n" % (len(piece), piece))
        piece = following
    send(b"0\r\n\r\n")
    return True
