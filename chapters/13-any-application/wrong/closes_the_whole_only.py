"""Closes the body when all went well.

Breaks: whatever has happened. (A list has none.)
Refused by: test_close
Told: whoever fails needs it more than others
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
    keep = False
    if method == "HEAD" or status in (204, 304):
        keep = True
    elif length is not None:
        keep = _send_counted(send, body, length)
    elif version == (1, 1):
        keep = _send_chunks(send, body)
    else:
        for piece in body:
            send(piece)
    if hasattr(body, "close"):
        body.close()
    return keep


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
