"""Closes the body as soon as it has ended, before the last chunk.

Breaks: If `body` has a method `close()`, it is called once, last of all
Refused by: test_close
Told: close() was called before the end
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
        for piece in body:
            if version == (1, 0):
                send(piece)
            elif piece:
                send(b"%x\r\n%b\r\n" % (len(piece), piece))
    finally:
        if hasattr(body, "close"):
            body.close()
    if version == (1, 1):
        send(b"0\r\n\r\n")
    return version == (1, 1)


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
