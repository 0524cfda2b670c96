"""Serve a WSGI application (PEP 3333): a request goes in, bytes to be sent come out."""

import importlib
import io
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterable
from functools import lru_cache
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from steps.http11 import WITHOUT_BODY, Request, Response, http_date
from steps.step09.connection import MAX_JOINED_BYTES
from steps.step12.connection import Answer, Connection
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
# but one of them. So what they mean is remembered, all together and one by one; not of
# longer ones, for a client that sends ever new ones should not fill the memory.
MAX_REMEMBERED_BYTES = 4096


@lru_cache(maxsize=512)
def environ_item(line: str) -> Item:
    """Key and value for a field line; no key for what is better left out."""
    name, _, value = line.partition(":")
    key = name.upper().replace("-", "_")
    # With an underscore it would look like one with a hyphen, that a balancer has set;
    # "Proxy" would be HTTP_PROXY, which libraries mistake for a setting. And of the
    # transfer coding nothing is left in what the application reads.
    if "_" in name or key in ("PROXY", "TRANSFER_ENCODING"):
        return None, ""
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    return key, value.strip(" \t")


class Gateway:
    """send: what `write()` calls with bytes that a connection shall send at once."""

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
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
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
        """What all requests with these field lines have in common."""
        environ = self._environ.copy()
        for line in lines.decode("latin-1").split("\r\n")[:-1]:
            key, value = item(line)
            if key in environ:
                environ[key] += f", {value}"
            elif key is not None:
                environ[key] = value
        return environ

    def _make_environ(self, connection: Connection, request: Request) -> Environ:
        lines = request.lines
        if len(lines) <= MAX_REMEMBERED_BYTES:
            environ = self._remembered_fields(lines).copy()
        else:
            environ = self._fields(lines, environ_item.__wrapped__)
        path, _, query = request.target.partition("?")
        if "%" in path:
            path = unquote_to_bytes(path).decode("latin-1")
        environ["REQUEST_METHOD"] = request.method
        environ["PATH_INFO"] = "" if path == "*" else path
        environ["QUERY_STRING"] = query
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if request.version[1] else "HTTP/1.0"
        environ["REMOTE_ADDR"] = connection.peer
        # A body that came in chunks has a length by now.
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
            length = None
            if type(chunks) is list or type(chunks) is tuple:
                body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                length = len(body)
                if length <= MAX_JOINED_BYTES and not exchange.begun:
                    # Most answers are like this: spare them the generator.
                    return exchange.whole(body), exchange.keep, None
                chunks = (body,)
            pieces = exchange.pieces(chunks, length)
            first = next(pieces, b"")
            if exchange.is_complete:
                pieces.close()
                return first, exchange.keep, None
            return first, exchange.keep, pieces
        except BaseException as error:
            exchange.close()
            if not isinstance(error, Gone):
                log.exception("%s %s failed", request.method, request.target)
            if exchange.begun:  # what came next would be read as the rest of its body
                return b"", False, None
            response = Response(500, b"500 the application failed\n")
            keep = request.keep_alive
            return response.encode(request, keep), keep, None

    # [/call]


# --- The response --------------------------------------------------------------------

# [fields]
STATUS = re.compile(r"([2-9][0-9]{2}) [\t -~\x80-\xff]*+")
FIELD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++: [\t -~\x80-\xff]*+")
# Of the connection, which is not the application's (PEP 3333, RFC 9110 §7.6.1).
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("proxy-connection", "te", "trailer", "trailers", "transfer-encoding"),
    "upgrade",
}


@lru_cache(maxsize=256)
def head_start(status: str, second: int) -> tuple[bytes, bool]:
    """The first two lines, and whether a body follows. ValueError: not a status."""
    if not (match := STATUS.fullmatch(status)):
        raise ValueError(f"not a status: {status!r}")
    line, date = status.encode("latin-1"), http_date(second)
    return b"HTTP/1.1 %b\r\nDate: %b\r\n" % (line, date), (
        int(match[1]) not in WITHOUT_BODY
    )


@lru_cache(maxsize=1024)
def field_line(name: str, value: str) -> tuple[bytes, str]:
    """The line, and the name in lower case. ValueError for what must not be sent."""
    line, lower_name = f"{name}: {value}", name.lower()
    well_formed = type(value) is str and FIELD.fullmatch(line) and ":" not in name
    if not well_formed or lower_name in HOP_BY_HOP:
        raise ValueError(f"not a header that an application may send: {line!r}")
    return line.encode("latin-1") + b"\r\n", lower_name


@lru_cache(maxsize=256)
def field_lines(headers: tuple[tuple[str, str], ...]) -> tuple[bytes, int | None]:
    """All lines but Content-Length's, and that length. Answers are like each other."""
    lines, length = [], None
    for name, value in headers:
        line, lower_name = field_line(name, value)
        if lower_name == "content-length":
            if length is not None or not value.isdecimal():
                raise ValueError(f"not a Content-Length: {value!r}")
            length = int(value)
        elif lower_name != "date":  # that is ours
            lines.append(line)
    return b"".join(lines), length


# [/fields]


class Exchange:
    """One request and the response to it, as the application sees them."""

    _start: tuple[bytes, bool] | None = None  # the head's first two lines
    _fields = b""  # its other lines
    _length: int | None = None  # as the application says
    _left: int | None = None  # bytes of the body that are still due, if known
    _chunked = False
    begun = False  # the head has been encoded, and cannot be changed

    def __init__(
        self,
        connection: Connection,
        request: Request,
        send: Callable[[Connection, bytes], None],
    ) -> None:
        self._connection = connection
        self._request = request
        self._send = send
        self.keep = request.keep_alive

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
                exc_info = None  # it refers to this frame
        elif self._start is not None:
            raise AssertionError("start_response() has been called before")
        start = head_start(status, int(time.time()))
        self._fields, self._length = field_lines(tuple(headers))
        self._start = start  # not before all of it was found to be good
        return self.write

    # [/start-response]

    def write(self, data: bytes) -> None:
        """PEP 3333: for applications that cannot be written as an iterable."""
        if data:
            self._send(self._connection, self._encode(data))

    # [encode]
    def whole(self, body: bytes) -> bytes:
        """The whole response, where nothing of it has been sent."""
        self._check(body)
        head = self._begin(len(body))
        if self._left != len(body):  # there is no body, or not as long as announced
            body = body[: self._left]
            if self._left != len(body):
                self.begun = False  # there is still time for a 500
                self._fail_short(len(body))
        self.close()
        return head + body

    def pieces(
        self, chunks: Iterable[bytes], length: int | None
    ) -> Generator[bytes, None, None]:
        """What to send, as it is made. length: of all chunks, if that is known."""
        try:
            for data in chunks:
                is_long = type(data) is bytes and len(data) > MAX_JOINED_BYTES
                if is_long and not self.begun:
                    yield self._begin(length)  # and data is not copied
                if data:
                    yield self._encode(data, length)
                if self._left == 0:
                    return
            if not self.begun:
                yield self._begin(0)
            elif self._chunked:
                yield b"0\r\n\r\n"
            elif self._left:
                self._fail_short()
        finally:
            try:
                if hasattr(chunks, "close"):
                    chunks.close()
            except BaseException:  # the answer is as good as it was before
                log.exception("close() failed")
            self.close()

    def _encode(self, data: bytes, length: int | None = None) -> bytes:
        """A part of the body, with the head before the first."""
        self._check(data)
        head = b"" if self.begun else self._begin(length)
        if self._chunked:
            return b"%b%x\r\n%b\r\n" % (head, len(data), data)
        if self._left is not None:
            if len(data) > self._left:
                data = data[: self._left]  # more than was announced is never sent
            self._left -= len(data)
        return head + data

    def _check(self, data: object) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"not bytes but {type(data).__name__}: {data!r:.99}")

    def _fail_short(self, sent: int = 0) -> NoReturn:
        missing = (self._left or 0) - sent
        raise ValueError(f"the body ends {missing} bytes before its Content-Length")

    def _begin(self, length: int | None) -> bytes:
        """The head. length: of the body, if the server knows it."""
        if self._start is None:
            raise AssertionError("start_response() has not been called")
        self.begun = True
        self.keep = self._request.keep_alive  # a drain may have begun meanwhile
        (start, has_body), more = self._start, b""
        if self._length is not None:
            length = self._length
        if not has_body:
            length, self._left = None, 0
        elif self._request.method == "HEAD":
            length, self._left = self._length, 0
        elif length is not None:
            self._left = length
        elif self._request.version == (1, 1):
            self._chunked = True
            more = b"Transfer-Encoding: chunked\r\n"
        else:
            self.keep = False  # the end of the connection is the end of the body
        if length is not None:
            more = b"Content-Length: %d\r\n" % length
        if not self.keep:
            more += b"Connection: close\r\n"
        elif self._request.version == (1, 0):
            more += b"Connection: keep-alive\r\n"
        return b"%b%b%b\r\n" % (start, self._fields, more)

    @property
    def is_complete(self) -> bool:
        """Nothing more may be sent: that is known before the application says so."""
        return self._left == 0

    # [/encode]

    def close(self) -> None:
        if self._request.body_file is not None:
            self._request.body_file.close()
