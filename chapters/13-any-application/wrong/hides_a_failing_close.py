"""Tries close(), and takes every AttributeError for "it has none".

Breaks: What it raises goes on to the caller as well
Refused by: test_close_fails
Told: This close() exists, and has failed within
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
        try:
            body.close()  # type: ignore[attr-defined]
        except AttributeError:
            pass


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
    for piece in body:
        if piece:
            send(b"%x\r\n%b\r\n" % (len(piece), piece))
    send(b"0\r\n\r\n")
    return True
