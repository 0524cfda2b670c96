"""Closes the body when all went well, or else at a failure, be it that of close().

Breaks: If `body` has a method `close()`, it is called once, last of all
Refused by: test_close_fails
Told: close() has failed, and that was taken for
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
    close = getattr(body, "close", lambda: None)
    try:
        is_kept = send_framed(send, body, method, status, version, length)
        close()
    except BaseException:
        close()
        raise
    return is_kept


def send_framed(
    send: Callable[[bytes], None],
    body: Iterable[bytes],
    method: str,
    status: int,
    version: tuple[int, int],
    length: int | None,
) -> bool:
    if method == "HEAD" or status in (204, 304):
        return True
    if length is not None:
        left = length
        if left == 0:
            return True
        for piece in body:
            piece = piece[:left]
            send(piece)
            left -= len(piece)
            if left == 0:
                return True
        return False
    if version >= (1, 1):
        for piece in body:
            if piece:
                send(b"%x\r\n" % len(piece) + piece + b"\r\n")
        send(b"0\r\n\r\n")
        return True
    for piece in body:
        send(piece)
    return False
