"""Frame the body of an answer: never more nor fewer bytes than were announced.

Work in this file. `pytest chapters/13-any-application` checks it.
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
    r"""Send the body of an answer, and say whether the connection can be kept.

    The head has been sent. What follows it is decided by the first of these that fits:

    1. An answer to HEAD, or one with the status 204 or 304, has no body, whatever its
       head says. Nothing is sent, and `body` is asked for no piece. The connection can
       be kept.
    2. A `length` was announced (`Content-Length`), 0 perhaps. Bytes beyond it are cut
       off. When so many have been sent, `body` is not asked for another piece, and the
       connection can be kept. If `body` has fewer, nothing is sent in place of what is
       missing, and the connection cannot be kept.
    3. HTTP/1.1 (`Transfer-Encoding: chunked`). Each piece is sent as a chunk: its size
       in hexadecimal digits, b"\r\n", the piece, b"\r\n". An empty piece is not sent.
       At the end of `body` the last chunk is sent, b"0\r\n\r\n". The connection can be
       kept.
    4. HTTP/1.0 (`Connection: close`). The pieces are sent as they are. The connection
       cannot be kept.

    In all cases:

    5. A piece is sent before the next one is asked for.
    6. What `body` or `send()` raises, an exception of whatever kind, goes on to the
       caller, who closes the connection. After it nothing is sent.
    7. If `body` has a method `close()`, it is called once, last of all, whatever has
       happened. (A list has none.) What it raises goes on to the caller as well.

    send: takes bytes, and returns when they are sent. One piece may be sent in parts.
    body: what the application has returned. A generator, a list, anybody's object that
        a `for` can go through, once. It may have very many pieces.
    version: of HTTP, as the client speaks it: (1, 0) or (1, 1).
    length: what the application has announced, in bytes; None if it has not.

    Example: the application has announced 5 bytes, and makes 7.

        >>> sent = []
        >>> body = [b"abc", b"defg"]
        >>> send_body(
        ...     sent.append, body, method="GET", status=200, version=(1, 1), length=5
        ... )
        True
        >>> b"".join(sent)
        b'abcde'
    """
    # TODO: this sends whatever comes. It is right for an application that makes as many
    # bytes as it has announced, and does not fail.
    for piece in body:
        send(piece)
    return True
