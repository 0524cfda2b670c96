"""The WSGI application of the comparison: the steps' document, and nothing else.

    python -m steps.step13 --wsgi lab.measure.peer_wsgi:app

Every WSGI server serves this one, ours and the peers, each in its own environment; so
it needs the standard library alone. `lab/measure/peer_asgi.py` is the same for ASGI.
"""

from collections.abc import Callable, Iterable
from typing import Any

from steps.app import DOCUMENT

LENGTH = str(len(DOCUMENT))


# [app]
def app(
    environ: dict[str, Any], start_response: Callable[..., object]
) -> Iterable[bytes]:
    """WSGI: any request gets the 70-byte document."""
    # A new list each time: a server may add its own fields to it (PEP 3333).
    start_response(
        "200 OK", [("Content-Type", "text/html"), ("Content-Length", LENGTH)]
    )
    return [DOCUMENT]


# [/app]
