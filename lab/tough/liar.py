"""A WSGI application that announces ten bytes and gives five.

    python -m steps.step13 --wsgi lab.tough.liar:app

A server cannot take back what it has sent. All that it can do is to close the
connection, so that the client sees that something is missing.
"""

from collections.abc import Callable, Iterator
from typing import Any


# [app]
def app(
    environ: dict[str, Any], start_response: Callable[..., object]
) -> Iterator[bytes]:
    """WSGI: any request gets half an answer."""
    start_response("200 OK", [("Content-Length", "10")])
    yield b"half\n"


# [/app]
