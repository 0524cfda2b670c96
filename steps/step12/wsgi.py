"""Serve a WSGI application (PEP 3333): a request goes in, bytes to be sent come out."""

import importlib
import io
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.parse import unquote_to_bytes

from steps.http11 import WITHOUT_BODY, Request, Response, http_date
from steps.step09.connection import MAX_JOINED_BYTES
from steps.step12.connection import Answer, Connection, Pieces, rest
from steps.step12.workers import Gone

Environ = dict[str, Any]
Item = tuple[str | None, str]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse = Callable[..., Callable[[bytes], None]]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]

log = logging.getLogger(__name__)


def load(name: str) -> WsgiApplication:
    """The callable that MODULE:CALLABLE names. ValueError: there is none."""
    module_name, colon, path = name.partition(":")
    if not colon or module_name[:1] in ("", "."):
        raise ValueError(f"--wsgi {name!r}: write it as MODULE:CALLABLE")
    try:
        found: Any = importlib.import_module(module_name)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--wsgi {name!r}: {error}") from error
    if not callable(found):
        raise ValueError(f"--wsgi {name!r}: it cannot be called")
    return found  # type: ignore[no-any-return]


# --- The request ---------------------------------------------------------------------


# [environ]
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


class Gateway:
    """A handler: calls the application, and makes an answer of what that gives.

    send: called for an application that sends by `write()`, with the connection and the
    bytes, before the application has returned.
    """

    def __init__(
        self,
        application: WsgiApplication,
        server: tuple[str, int],
        has_threads: bool,
        send: Callable[[Connection, bytes], None],
    ) -> None:
        self._application = application
        self._send = send
        self._remembered_fields = lru_cache(maxsize=256)(self._fields)
        self._environ: Environ = {
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": has_threads,
            "wsgi.multiprocess": False,
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

    def _make_environ(self, connection: Connection, request: Request) -> Environ:
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
        environ["PATH_INFO"] = "" if path == "*" else path
        if request.version == (1, 0):
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        environ["REMOTE_ADDR"] = connection.peer or connection.find_peer()
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

    # [/environ]

    # [call]
    def __call__(self, connection: Connection, request: Request) -> Answer:
        exchange = Exchange(connection, request, self._send)
        try:
            environ = self._make_environ(connection, request)
            chunks = self._application(environ, exchange.start_response)
            if (type(chunks) is list or type(chunks) is tuple) and not exchange.begun:
                # Most answers are like this, and need no generator.
                return exchange.whole(b"".join(chunks))
            pieces = exchange.pieces(chunks)
            first = next(pieces, b"")
            if exchange.left == 0:  # that is all: do not ask for more
                pieces.close()
                return first, exchange.keep, None
            return first, None, pieces
        except BaseException as error:
            exchange.close()
            if not isinstance(error, Gone):
                log.exception("%s %s failed", request.method, request.target)
            if exchange.begun:  # a 500 would be read as the rest of the body
                return b"", False, None
            response = Response(500, b"500 the application failed\n")
            keep = request.keep_alive
            return response.encode(request, keep), keep, None

    # [/call]


# --- The response --------------------------------------------------------------------

# [fields]
STATUS = re.compile(r"([2-9][0-9]{2}) [\t -~\x80-\xff]*+")
FIELD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++: [\t -~\x80-\xff]*+")
# These fields are about the connection. It belongs to the server, so an application may
# not send them (PEP 3333, RFC 9110 §7.6.1).
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("proxy-connection", "te", "trailer", "trailers", "transfer-encoding"),
    "upgrade",
}


@lru_cache(maxsize=1024)
def field_line(name: str, value: str) -> tuple[bytes, str]:
    """The line, and the name in lower case. ValueError for what must not be sent."""
    line, lower_name = f"{name}: {value}", name.lower()
    well_formed = type(value) is str and FIELD.fullmatch(line) and ":" not in name
    if not well_formed or lower_name in HOP_BY_HOP:
        raise ValueError(f"not a header that an application may send: {line!r}")
    return line.encode("latin-1") + b"\r\n", lower_name


@dataclass(frozen=True, eq=False)
class Start:
    """What an application has given to `start_response()`, and `check()` has found to
    be good."""

    line: bytes
    has_body: bool
    fields: bytes
    length: int | None  # of the body, if the application has said it


# The next answer is likely to have the same status and fields. So the results of this
# are remembered: what has been found good once is not checked again.
@lru_cache(maxsize=256)
def check(status: str, headers: tuple[tuple[str, str], ...]) -> Start:
    """Check and encode them. ValueError for what must not be sent."""
    if not (match := STATUS.fullmatch(status)):
        raise ValueError(f"not a status: {status!r}")
    lines, length = [], None
    for name, value in headers:
        line, lower_name = field_line(name, value)
        if lower_name == "content-length":
            if length is not None or not value.isdecimal():
                raise ValueError(f"not a Content-Length: {value!r}")
            length = int(value)
        elif lower_name != "date":  # the server says that itself
            lines.append(line)
    has_body = int(match[1]) not in WITHOUT_BODY
    return Start(status.encode("latin-1"), has_body, b"".join(lines), length)


@lru_cache(maxsize=256)
def make_head(
    start: Start,
    second: int,
    length: int | None,
    is_head: bool,
    version: tuple[int, int],
    keep: bool,
) -> tuple[bytes, int | None, bool, bool]:
    """The head; how many bytes of body are due, None if nobody knows; whether they come
    in chunks; and whether the connection can be kept.

    length: of the body, if the server knows it without being told.
    """
    due, is_chunked, more = length, False, b""
    if start.length is not None:
        due = length = start.length
    if not start.has_body:
        length, due = None, 0
    elif is_head:
        length, due = start.length, 0
    elif length is None and version == (1, 1):
        is_chunked = True
        more = b"Transfer-Encoding: chunked\r\n"
    elif length is None:
        keep = False  # the end of the connection is the end of the body
    if length is not None:
        more = b"Content-Length: %d\r\n" % length
    if not keep:
        more += b"Connection: close\r\n"
    elif version == (1, 0):
        more += b"Connection: keep-alive\r\n"
    lines = (start.line, http_date(second), start.fields, more)
    return b"HTTP/1.1 %b\r\nDate: %b\r\n%b%b\r\n" % lines, due, is_chunked, keep


# [/fields]


class Exchange:
    """One request and the response to it, as the application sees them."""

    __slots__ = (
        *("_chunked", "_connection", "_request", "_send", "_start"),
        *("begun", "keep", "left"),
    )

    def __init__(
        self,
        connection: Connection,
        request: Request,
        send: Callable[[Connection, bytes], None],
    ) -> None:
        self._connection = connection
        self._request = request
        self._send = send
        self._start: Start | None = None
        self.begun = False  # the head has been encoded, and cannot be changed
        self.left: int | None = None  # bytes of the body that are still due, if known

    # [start-response]
    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it and this frame would keep each other in memory
        elif self._start is not None:
            raise AssertionError("start_response() has been called before")
        self._start = check(status, tuple(headers))
        return self.write

    # [/start-response]

    def write(self, data: bytes) -> None:
        """What `start_response()` gives, for an application that cannot return its body
        as an iterable (PEP 3333)."""
        if data:
            self._send(self._connection, self._encode(data))

    # [encode]
    def whole(self, body: bytes) -> Answer:
        """The whole response, where nothing of it has been sent."""
        length = len(body)
        head, due, _, keep = self._head(length)
        if due != length:  # there must be no body, or it is not as announced
            body = body[:due]
            if due != len(body):
                raise ValueError(f"a body of {length} bytes, not {due}")
        self.close()
        if length <= MAX_JOINED_BYTES:
            return head + body, keep, None
        return head, None, rest(body, keep)

    def pieces(self, chunks: Iterable[bytes]) -> Pieces:
        """The response, in pieces, as the application makes it."""
        try:
            for data in chunks:
                is_long = type(data) is bytes and len(data) > MAX_JOINED_BYTES
                if is_long and not self.begun:
                    yield self._begin()  # by itself, so that data is not copied
                if data:
                    yield self._encode(data)
                if self.left == 0:
                    return self.keep
            if not self.begun:
                yield self._begin(0)
            elif self._chunked:
                yield b"0\r\n\r\n"
            elif self.left:
                raise ValueError(f"the body ends {self.left} bytes too early")
            return self.keep
        finally:
            try:
                if hasattr(chunks, "close"):
                    chunks.close()
            except BaseException:  # it does not spoil the answer
                log.exception("close() failed")
            self.close()

    def _encode(self, data: bytes) -> bytes:
        """A part of the body, with the head before the first."""
        if not isinstance(data, bytes):
            raise TypeError(f"not bytes but {type(data).__name__}: {data!r:.99}")
        head = b"" if self.begun else self._begin()
        if self._chunked:
            return b"%b%x\r\n%b\r\n" % (head, len(data), data)
        if self.left is not None:
            if len(data) > self.left:
                data = data[: self.left]  # more than was announced is never sent
            self.left -= len(data)
        return head + data

    def _begin(self, length: int | None = None) -> bytes:
        """The head; from now on it cannot be changed."""
        head, self.left, self._chunked, self.keep = self._head(length)
        self.begun = True
        return head

    def _head(self, length: int | None) -> tuple[bytes, int | None, bool, bool]:
        if self._start is None:
            raise AssertionError("start_response() has not been called")
        request = self._request  # whose keep_alive a drain may have changed meanwhile
        second, is_head = int(time.time()), request.method == "HEAD"
        return make_head(
            self._start, second, length, is_head, request.version, request.keep_alive
        )

    # [/encode]

    def close(self) -> None:
        if self._request.body_file is not None:
            self._request.body_file.close()
