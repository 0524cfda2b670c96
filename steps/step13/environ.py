"""The request as a WSGI application is given it: a dictionary, the environ."""

import io
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from steps.http11 import Request
from steps.step13.connection import Connection

Environ = dict[str, Any]
Item = tuple[str | None, str]

# Nearly every request of a client repeats the field lines of the one before it, or all
# but one of them. So what has been made of them is remembered: of all together, and of
# each line. Not of longer ones: a client that sends new ones each time could fill the
# memory with them.
MAX_REMEMBERED_BYTES = 4096


@lru_cache(maxsize=512)
def environ_item(line: str) -> Item:
    """Key and value in the environ for a field line. Key None: it is left out."""
    name, _, value = line.partition(":")
    key = name.upper().replace("-", "_")
    # `X_User` would have the same key as `X-User`, so a client could counterfeit what a
    # balancer in front of us sets. `Proxy` would become HTTP_PROXY, and libraries would
    # send their requests through the proxy that it names. And the application gets the
    # body decoded, so it must not hear of a transfer coding.
    if "_" in name or key in ("PROXY", "TRANSFER_ENCODING"):
        return None, ""
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    return key, value.strip(" \t")


class Environs:
    """Makes the environs of a server's requests."""

    def __init__(
        self, server: tuple[str, int], has_threads: bool, has_processes: bool
    ) -> None:
        self._remembered_fields = lru_cache(maxsize=256)(self._fields)
        self._environ: Environ = {
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr or open(os.devnull, "w"),  # noqa: SIM115
            "wsgi.multithread": has_threads,
            "wsgi.multiprocess": has_processes,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }

    def _fields(
        self, lines: bytes, item: Callable[[str], Item] = environ_item
    ) -> Environ:
        """The part of the environ that depends on nothing but these field lines."""
        environ = self._environ.copy()
        for line in lines.decode("latin-1").split("\r\n")[:-1]:
            key, value = item(line)
            if key in environ:
                environ[key] += f", {value}"
            elif key is not None:
                environ[key] = value
        return environ

    def make(self, connection: Connection, request: Request) -> Environ:
        """What PEP 3333 requires; besides, REMOTE_ADDR, the client's address, and
        `wsgi.input_terminated`: the input ends by itself."""
        lines = request.lines()
        if len(lines) <= MAX_REMEMBERED_BYTES:
            environ = self._remembered_fields(lines).copy()
        else:
            environ = self._fields(lines, environ_item.__wrapped__)  # not cached
        path = request.target
        if "?" in path:
            path, _, environ["QUERY_STRING"] = path.partition("?")
        if "%" in path:
            path = unquote_to_bytes(path).decode("latin-1")
        environ["REQUEST_METHOD"] = request.method
        # `OPTIONS *` asks about the whole server. A path begins with a slash.
        environ["PATH_INFO"] = "/" if path == "*" else path
        if request.version == (1, 0):
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        environ["REMOTE_ADDR"] = connection.peer
        # All of the body is here, so its length is known, even if it came in chunks.
        if request.body_file is not None:
            environ["wsgi.input"] = request.body_file
            size = os.fstat(request.body_file.fileno()).st_size
            environ["CONTENT_LENGTH"] = str(size)
        else:
            environ["wsgi.input"] = io.BytesIO(request.body)
            if request.body:
                environ["CONTENT_LENGTH"] = str(len(request.body))
        return environ
