"""The application that shows how a server behaves: it reads what was sent to it.

As the one of the comparison it answers with the steps' document, but first it reads the
body to its end; and for `/slow` it takes `SLOW_S`. It needs the standard library alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from lab.measure import peer_asgi, peer_wsgi

SLOW = "/slow"
SLOW_S = 0.2
PIECE = 65_536


def app(
    environ: dict[str, Any], start_response: Callable[..., object]
) -> Iterable[bytes]:
    """WSGI: the document, when the body has come."""
    length = environ.get("CONTENT_LENGTH")
    left = int(length) if length else 0
    while left > 0 and (piece := environ["wsgi.input"].read(min(left, PIECE))):
        left -= len(piece)
    if not length and "HTTP_TRANSFER_ENCODING" in environ:
        while environ["wsgi.input"].read(PIECE):
            pass
    if environ["PATH_INFO"] == SLOW:
        time.sleep(SLOW_S)
    return peer_wsgi.app(environ, start_response)


async def asgi_app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """ASGI: the same."""
    while (event := await receive()).get("more_body"):
        pass
    if event["type"] == "http.disconnect":
        return
    if scope["path"] == SLOW:
        await asyncio.sleep(SLOW_S)
    await peer_asgi.app(scope, receive, send)
