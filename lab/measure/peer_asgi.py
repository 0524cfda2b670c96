"""The peers' application: the steps' document, and nothing else.

It runs in the peers' environment and needs the standard library alone.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from steps.app import DOCUMENT

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/html"),
        (b"content-length", str(len(DOCUMENT)).encode()),
    ],
}
BODY = {"type": "http.response.body", "body": DOCUMENT}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """ASGI: any request gets the 70-byte document."""
    await send(START)
    await send(BODY)
