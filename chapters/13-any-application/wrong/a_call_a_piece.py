"""Sends a piece, and calls itself for those that are left.

Breaks: It may have very many pieces
Refused by: test_many_pieces
Told: A call within a call for each piece
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
    if not left:
        return True
    pieces = iter(body)
    piece = next(pieces, None)
    if piece is None:
        return False
    send(piece[:left])
    return _send_counted(send, pieces, max(0, left - len(piece)))


def _send_chunks(send: Callable[[bytes], None], body: Iterable[bytes]) -> bool:
    for piece in body:
        if piece:
            send(b"%x\r\n%b\r\n" % (len(piece), piece))
    send(b"0\r\n\r\n")
    return True
