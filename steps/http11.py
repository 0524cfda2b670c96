"""HTTP/1.1 itself, without input or output; the same in every step.

A server feeds a parser the bytes that arrive, cut anywhere, and asks for events:

    parser.feed(data)
    event = parser.next_event()

    Request     the head of a request is whole; its body has not been read yet
    bytes       a piece of that request's body
    END         the request is over; the next one may follow
    NEED_DATA   nothing more to say until more bytes are fed

or `BadRequest` is raised: answer its `status`, with `Connection: close`, and close.
Nothing after the bad byte is ever read as HTTP.

`Gatherer` puts the events together again, for servers that want whole requests.

What is promised:

- The answer does not depend on how the bytes were cut into pieces.
- Bytes that no valid request can begin with are refused as soon as they arrive.
- Each byte is looked at a bounded number of times, and no more than the limits
  allow is kept.

"§" is RFC 9112 (HTTP/1.1), "9110 §" is RFC 9110 (HTTP Semantics).
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a request is read before it is refused."""

    max_method_bytes: int = 32  # 501 beyond (§3)
    max_target_bytes: int = 8192  # 414 beyond; §3 asks for 8000 at least
    max_header_bytes: int = 32768  # 431 beyond (RFC 6585 §5); trailers too
    max_header_fields: int = 100  # 431 beyond
    max_body_bytes: int = 1 << 20  # 413 beyond
    max_chunk_extension_bytes: int = 4096  # 400 beyond; for each chunk (§7.1.1)


class BadRequest(Exception):  # noqa: N818 - the name of its status in HTTP
    """What came is not a request that can be served: answer `status` and close."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class Event(Enum):
    """The events that carry nothing but their name."""

    END = "END"
    NEED_DATA = "NEED_DATA"


END = Event.END
NEED_DATA = Event.NEED_DATA

# --- The grammar, as fragments of regular expressions --------------------------------
#
# `*+` and `++` never give back what they took, so a match takes time in proportion
# to its length, whatever the input.

TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # 9110 §5.6.2
FIELD_CHAR = rb"[\t -~\x80-\xff]"  # 9110 §5.5: visible, SP, HTAB, obs-text
TARGET_CHAR = rb"[!\"$-~]"  # §3.2: visible ASCII without "#", a client's own business

METHOD = TCHAR + rb"++"
TARGET = TARGET_CHAR + rb"++"
FIELD = TCHAR + rb"++:" + FIELD_CHAR + rb"*+\r\n"

# A whole head. §2.2: one empty line before it is skipped.
HEAD = re.compile(
    rb"(?:\r\n)?(%b) (%b) HTTP/1\.([0-9])\r\n((?:%b)*+)\r\n" % (METHOD, TARGET, FIELD)
)
# The fields that say where a request ends and whom it is for, wherever they stand.
FRAMING_FIELD = re.compile(
    rb"\n(?=[CcEeHhTt])"
    rb"(connection|content-length|expect|host|transfer-encoding):([^\r]*+)",
    re.IGNORECASE,
)

# RFC 3986 §3.2.2 and §3.2.3; 9110 §7.2: Host = uri-host [ ":" port ]
HOST = (
    r"(?:\[[0-9A-Fa-f:.]++\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)"
    r"(?::[0-9]*+)?"
)
VALID_HOST = re.compile(HOST)
ABSOLUTE_FORM = re.compile(rf"(?i:https?)://(?![:/?]|\Z)({HOST})((?:[/?].*)?)")
AUTHORITY_FORM = re.compile(rf"(?!:){HOST}(?<=[0-9])")
CODING = re.compile(TCHAR.decode() + r"++")


class _Part(NamedTuple):
    """One part of a request, read as far as it has come.

    `pattern` has a group only when the part is over, and no match when no more bytes
    can mend it. A part that can be long is read on from where the last look stopped
    (`resumes`), so its pattern looks back to tell that the part is not empty.
    """

    what: str
    too_long: int  # the status to refuse it with
    resumes: bool
    pattern: re.Pattern[bytes]


def _part(what: str, too_long: int, resumes: bool, pattern: bytes) -> _Part:
    return _Part(what, too_long, resumes, re.compile(pattern))


def _so_far(*items: bytes) -> bytes:
    """A pattern for the items in a row, or as many of them as have arrived."""
    pattern = b"()"
    for item in reversed(items):
        pattern = rb"(?:%b%b|\Z)" % (item, pattern)
    return pattern


_CRLF = _so_far(b"\r", b"\n")
_VERSION_SO_FAR = _so_far(*(rb"H T T P / [0-9] \. [0-9]".split()), b"\r", b"\n")
_LINE_SO_FAR = rb"%b*+(?:(\r\n)|(?=\r?\Z))" % FIELD_CHAR

# The request line (§3), field lines (§5) and chunks (§7.1), part by part.
_START = _part("start of a request", 400, False, rb"%b|(?=[^\r])()" % _CRLF)
_METHOD = _part("method", 501, False, rb"%b(?:( )|\Z)" % METHOD)
_TARGET = _part("target", 414, True, rb"%b*+(?:(?<! )( )|\Z)" % TARGET_CHAR)
_VERSION = _part("version", 400, False, _VERSION_SO_FAR)
_NAME = _part(
    "field name",
    431,
    True,
    rb"(?<=\n)(?:(\r\n)|(?=\r\Z))|%b*+(?:(?<!\n)(:)|\Z)" % TCHAR,
)
_VALUE = _part("field value", 431, True, _LINE_SO_FAR)
_SIZE = _part("chunk size", 400, False, rb"[0-9A-Fa-f]{1,16}+(?:(\r\n|;)|\r?\Z)")
_EXTENSION = _part("chunk extension", 400, True, _LINE_SO_FAR)
_DATA_END = _part("end of a chunk", 400, False, _CRLF)


class Request:
    """The head of a request; once gathered, its body too.

    `headers` has lower-case names; the values of a repeated field are joined with
    ", " (9110 §5.3). It is made on first use: most handlers look at few fields or none.
    """

    __slots__ = (
        "_headers",
        "body",
        "expects_continue",
        "keep_alive",
        "method",
        "target",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        version: tuple[int, int] = (1, 1),
        headers: dict[str, str] | bytes = b"",
        body: bytes = b"",
        keep_alive: bool = True,
        expects_continue: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.body = body
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self._headers = headers

    @property
    def headers(self) -> dict[str, str]:
        if isinstance(self._headers, bytes):
            self._headers = _split(self._headers)
        return self._headers

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


def _split(lines: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines.decode("latin-1").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _elements(values: list[str]) -> list[str]:
    """The elements of a list that may be spread over fields (9110 §5.6.1)."""
    return [element.strip(" \t").lower() for element in ",".join(values).split(",")]


class Parser:
    """Turns the bytes of one connection into events; see the top of the file."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._refused: BadRequest | None = None
        self._closed = False
        self._start()

    def _start(self) -> None:
        """Get ready for the next request."""
        self._request: Request | None = None
        self._part: _Part | None = _START  # what is read next, None after the last
        self._seen = 0  # the buffer has been read up to here
        self._bound = 2  # and the part must be over here
        self._fields = 0
        self._left = 0  # bytes of the body, or of the chunk, still to come
        self._size = 0  # of the chunk whose size line is being read
        self._body_bytes = 0  # announced so far

    def feed(self, data: bytes) -> None:
        if not self._closed:
            self._buffer += data

    def next_event(self) -> Request | bytes | Event:
        if self._refused:
            raise self._refused
        if self._closed:
            return NEED_DATA
        try:
            if self._request is None:
                return self._head()
            return self._body(self._request)
        except BadRequest as refused:
            self._refused = refused
            self._closed = True
            self._buffer.clear()
            raise

    @property
    def continue_due(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends the body."""
        request = self._request
        return (
            request is not None
            and request.expects_continue
            and not self._buffer
            and (self._part is _SIZE or 0 < self._left == self._body_bytes)
        )

    def _read(self, part: _Part) -> re.Match[bytes] | None:
        """The match of a part that is over, or None if more bytes are needed."""
        if self._seen == len(self._buffer):
            return None
        match = part.pattern.match(self._buffer, self._seen, self._bound)
        if match is None:
            raise BadRequest(400, f"malformed {part.what}")
        if match.lastindex is None:
            if len(self._buffer) >= self._bound:
                raise BadRequest(part.too_long, f"{part.what} too long")
            if part.resumes:
                self._seen = match.end()
            return None
        self._seen = match.end()
        return match

    def _walk(self) -> bool:
        """Read on, part by part. True: a head, a chunk's size or the trailers are
        whole; False: more bytes are needed."""
        limits = self._limits
        while self._part is not None:
            part = self._part
            match = self._read(part)
            if match is None:
                return False
            begin = self._seen
            if part is _START:
                self._part, self._bound = _METHOD, begin + limits.max_method_bytes + 1
            elif part is _METHOD:
                self._part, self._bound = _TARGET, begin + limits.max_target_bytes + 1
            elif part is _TARGET:
                self._part, self._bound = _VERSION, begin + 10
            elif part is _VERSION:
                if self._buffer[begin - 5 : begin - 4] != b"1":  # 9110 §15.6.6
                    raise BadRequest(505, "only HTTP/1 is spoken here")
                self._part, self._bound = _NAME, begin + limits.max_header_bytes
            elif part is _NAME:
                if match.lastindex == 1:  # the empty line
                    self._part = None
                    return True
                self._fields += 1
                if self._fields > limits.max_header_fields:
                    raise BadRequest(431, "too many fields")
                self._part = _VALUE
            elif part is _VALUE:
                self._part = _NAME
            elif part is _DATA_END:
                self._part, self._bound = _SIZE, begin + 18
            elif part is _SIZE:
                self._size = int(match[0].removesuffix(match[1]), 16)
                self._body_bytes += self._size
                if self._body_bytes > limits.max_body_bytes:
                    raise BadRequest(413, "body too long")
                if match[1] == b";":
                    self._part = _EXTENSION
                    self._bound = begin + limits.max_chunk_extension_bytes + 2
                elif self._size_is_known():
                    return True
            elif self._size_is_known():  # after the extension
                return True
        return True

    def _size_is_known(self) -> bool:
        if self._size:
            self._left = self._size
            self._part, self._bound = _DATA_END, 2
            return True
        self._part, self._fields = _NAME, 0  # §7.1.2: trailers
        self._bound = self._seen + self._limits.max_header_bytes
        return False

    def _consume(self, size: int) -> None:
        del self._buffer[:size]
        self._seen = 0

    def _head(self) -> Request | Event:
        if not self._walk():
            return NEED_DATA
        head = HEAD.match(self._buffer)
        assert head is not None
        self._request = request = self._understand(head)  # copies what it needs
        self._consume(head.end())
        return request

    def _understand(self, head: re.Match[bytes]) -> Request:
        """The request that a well-formed head stands for."""
        method, target = head[1].decode(), head[2].decode()
        version = (1, min(int(head[3]), 1))  # 9110 §2.5: 1.2 to 1.9 are as 1.1
        fields: dict[str, list[str]] = {}
        for name, value in FRAMING_FIELD.findall(b"\n" + head[4]):
            fields.setdefault(name.decode().lower(), []).append(
                value.decode("latin-1").strip(" \t")
            )

        hosts = fields.get("host", [])  # §3.2
        if len(hosts) > 1 or not (hosts or version == (1, 0)):
            raise BadRequest(400, "there must be one Host field")
        if hosts and not VALID_HOST.fullmatch(hosts[0]):
            raise BadRequest(400, "invalid Host")
        headers: bytes | dict[str, str] = head[4]
        if not target.startswith("/"):
            target, host = _other_form(method, target)
            if host:
                headers = _split(head[4]) | {"host": host}

        options = _elements(fields.get("connection", []))
        keep_alive = "close" not in options and (
            version == (1, 1) or "keep-alive" in options
        )
        self._frame(fields, version)
        expects_continue = False
        if "expect" in fields and version == (1, 1):  # 9110 §10.1.1: ignored in 1.0
            if any(e not in ("100-continue", "") for e in _elements(fields["expect"])):
                raise BadRequest(417, "unknown expectation")
            expects_continue = True
        return Request(
            method, target, version, headers, b"", keep_alive, expects_continue
        )

    def _frame(self, fields: dict[str, list[str]], version: tuple[int, int]) -> None:
        """§6.3: how long the body is."""
        lengths = fields.get("content-length", [])
        if "transfer-encoding" in fields:
            if lengths or version == (1, 0):  # §6.1
                raise BadRequest(400, "Transfer-Encoding where it must not be")
            codings = _elements(fields["transfer-encoding"])
            names = [coding.partition(";")[0].rstrip(" \t") for coding in codings]
            if not all(CODING.fullmatch(name) for name in names):
                raise BadRequest(400, "malformed Transfer-Encoding")
            if "chunked" in names[:-1] or "chunked" == names[-1] != codings[-1]:
                raise BadRequest(400, "chunked must come once, last and alone")
            if codings != ["chunked"]:
                raise BadRequest(501, "unknown transfer coding")
            self._part, self._bound = _SIZE, 18
        elif lengths:
            if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
                raise BadRequest(400, "invalid Content-Length")
            if len(lengths[0]) > 18 or int(lengths[0]) > self._limits.max_body_bytes:
                raise BadRequest(413, "body too long")
            self._left = self._body_bytes = int(lengths[0])

    def _body(self, request: Request) -> bytes | Event:
        if not self._left and self._part is not None:
            if not self._walk():
                return NEED_DATA
            self._consume(self._seen)
        if self._left:
            data = bytes(self._buffer[: self._left])
            self._consume(len(data))
            self._left -= len(data)
            return data or NEED_DATA
        self._start()
        if not request.keep_alive:  # §9.6: what follows is never processed
            self._closed = True
            self._buffer.clear()
        return END


def _other_form(method: str, target: str) -> tuple[str, str | None]:
    """The target and host of a request whose target is no path (§3.2.2 to §3.2.4)."""
    if method == "CONNECT":
        if AUTHORITY_FORM.fullmatch(target):
            raise BadRequest(501, "no tunnels here")
    elif target == "*":
        if method == "OPTIONS":
            return target, None
    elif match := ABSOLUTE_FORM.fullmatch(target):
        path = match[2]
        if not path and method == "OPTIONS":
            path = "*"
        elif not path.startswith("/"):
            path = "/" + path
        return path, match[1]
    raise BadRequest(400, "malformed request target")


class Gatherer:
    """Puts a parser's events together to whole requests, bounded by the limits."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._parser = Parser(limits)
        self._request: Request | None = None
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self._parser.feed(data)

    def next_request(self) -> Request | None:
        """The next whole request, or None: more bytes are needed."""
        while True:
            event = self._parser.next_event()
            if event is NEED_DATA:
                return None
            if event is END:
                request, self._request = self._request, None
                assert request is not None
                request.body = b"".join(self._pieces)
                self._pieces.clear()
                return request
            if isinstance(event, Request):
                self._request = event
            elif isinstance(event, bytes):
                self._pieces.append(event)

    @property
    def continue_due(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends the body."""
        return self._parser.continue_due


# --- Responses -----------------------------------------------------------------------

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # 9110 §15.2.1

STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus}
HEADER = re.compile(rf"{TCHAR.decode()}++: {FIELD_CHAR.decode('latin-1')}*+")
OURS = {"connection", "content-length", "date", "transfer-encoding"}


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """9110 §5.6.7. Made once a second: the cache holds the latest one."""
    return formatdate(second, usegmt=True)


class Response:
    """What a handler answers. ValueError for a header that must not be sent."""

    __slots__ = ("_lines", "body", "status")

    def __init__(
        self, status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.status = status
        self.body = body
        self._lines = ""
        for name, value in headers:
            line = f"{name}: {value}"
            if name.lower() in OURS or not HEADER.fullmatch(line):
                raise ValueError(f"refusing to send the header {line!r}")
            self._lines += line + "\r\n"

    def encode_head(self, request: Request | None, keep_alive: bool) -> bytes:
        """The status line and the header section; `request` is None if it was bad."""
        status = self.status
        line = STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
        length = f"Content-Length: {len(self.body)}\r\n"
        if status < 200 or status in (204, 304):  # 9110 §8.6
            length = ""
        connection = ""
        if not keep_alive:
            connection = "Connection: close\r\n"
        elif request is not None and request.version == (1, 0):
            connection = "Connection: keep-alive\r\n"
        date = _date(int(time.time()))
        head = f"{line}Date: {date}\r\n{length}{connection}{self._lines}\r\n"
        return head.encode("latin-1")

    def encode_body(self, request: Request | None) -> bytes:
        """The body, where one is allowed (9110 §9.3.2, §15)."""
        if request is not None and request.method == "HEAD":
            return b""
        if self.status < 200 or self.status in (204, 304):
            return b""
        return self.body

    def encode(self, request: Request | None, keep_alive: bool) -> bytes:
        """The whole response."""
        return self.encode_head(request, keep_alive) + self.encode_body(request)
