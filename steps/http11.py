"""HTTP/1.1 itself, without input or output; the same in every step.

A server feeds a `Parser` the bytes of one connection, in whatever pieces they come, and
asks it for events until it needs more bytes:

    parser.feed(data)
    event = parser.next_event()

    Request        a head is whole; its body, if it has one, has not been read yet
    bytes          a piece of that body
    END            that request is over, and the next one may begin
    NEED_DATA      no event until more bytes are fed
    NEED_CONTINUE  the same, and the client sends no body before it has got `CONTINUE`

or it raises `BadRequest`: answer its `status` with `Connection: close`, and close.
A `Gatherer` puts the events together, for servers that want whole requests.

A server can rely on this:

- The pieces in which the bytes came make no difference to what is read and refused.
- Bytes that cannot become a request are refused at the first wrong one (when a client
  tries https here, at its very first), and a part that is too long as soon as it is.
  What a head means is judged when the head is whole.
- The time taken is in proportion to the bytes fed: no regular expression below goes
  back and tries another way, and what has been read is not read again for each new
  piece. Else a client could send little and keep the processor busy. The limits bound
  the memory.
- A head that has not come whole is looked at part by part, and each look has one of
  three outcomes: the part is WRONG, it has BEGUN, or it is WHOLE.
- Where the standard lets a recipient be tolerant, this one is not. If a proxy and the
  server behind it understand the same bytes in two ways, a client can hide in them a
  request that the proxy does not see. So also white space around a chunk extension's
  ";" or "=" is refused, though a recipient "must parse" it (9110 §5.6.3): no client
  sends it, and those do who smuggle requests.

"§" is RFC 9112, HTTP/1.1; "9110 §" is RFC 9110, HTTP Semantics.
"""

import re
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read before a request is refused, and with which status.

    The limits on header fields hold once more for trailers: fields that may follow a
    body which comes in chunks.
    """

    max_target_bytes: int = 8192  # 414; §3 wants request lines of 8000 to be read
    max_header_bytes: int = 32_768  # 431, RFC 6585 §5
    max_header_fields: int = 256  # 431
    max_body_bytes: int = 1_048_576  # 413
    max_chunk_extension_bytes: int = 4096  # 400, §7.1.1; for each chunk


class BadRequest(Exception):  # noqa: N818 - HTTP's own name for it
    """What came cannot be served: answer `status`, and close the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


# What is read may be a part of something longer.
Data = bytes | memoryview
# A head that has been read: the request; the length of its body, None if it comes in
# chunks; and whether the client waits to be told to send it.
Begun = tuple["Request", int | None, bool]


class Event(Enum):
    """The events that carry nothing."""

    END = 1
    NEED_DATA = 2
    NEED_CONTINUE = 3


END, NEED_DATA, NEED_CONTINUE = Event


class Request:
    """The head of a request. A `Gatherer` adds the body."""

    __slots__ = (
        "_headers",
        "body",
        "body_file",
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
    ) -> None:
        self.method = method
        self.target = target  # a path with its query, or "*"
        self.version = version  # (1, 0) or (1, 1)
        self._headers = headers  # the raw lines, until `headers` is read
        self.body = body
        self.body_file: BinaryIO | None = None  # a long body, if the server uses files
        self.keep_alive = keep_alive  # whether the client wants to send another

    def lines(self) -> bytes:
        """The field lines as they came."""
        if isinstance(self._headers, bytes):
            return self._headers
        lines = (f"{name}: {value}\r\n" for name, value in self._headers.items())
        return "".join(lines).encode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        """Values by lower-case name; those of a repeated field are joined (9110 §5.3).

        Made when first asked for: this costs more than the rest of the parser, and most
        handlers never ask.
        """
        if isinstance(self._headers, bytes):
            self._headers = _split(self._headers)
        return self._headers


class Parser:
    """Turns the bytes of one connection into events: see the top of this file."""

    def __init__(self, limits: Limits = Limits(), begun: Begun | None = None) -> None:
        """begun: a head that has been read already; what is fed comes after it."""
        self.buffer = bytearray()  # what has been fed, and not become an event yet
        self._events = _events(self.buffer, limits, begun)

    def feed(self, data: Data) -> None:
        self.buffer += data

    def next_event(self) -> Request | bytes | Event:
        for event in self._events:
            return event
        raise self._nothing_more()

    def _nothing_more(self) -> BadRequest:
        self.buffer.clear()
        return BadRequest(400, "nothing is read after a bad request")


class Stage(Enum):
    """How much has come of the request that is being received."""

    BETWEEN = 1  # nothing of it has come
    IN_HEAD = 2
    IN_BODY = 3


BETWEEN, IN_HEAD, IN_BODY = Stage


class Gatherer(Parser):
    """Puts the events together into whole requests."""

    def __init__(self, limits: Limits = Limits(), begun: Begun | None = None) -> None:
        super().__init__(limits, begun)
        self.fed = 0  # bytes, in all
        self.request: Request | None = None  # its head is whole, its body is not yet
        self._body = bytearray()
        self.continue_due = False  # the client waits for `CONTINUE`

    def feed(self, data: Data) -> None:
        self.fed += len(data)
        super().feed(data)

    def stage(self) -> Stage:
        """What the next bytes will belong to, once `next_request()` returned None."""
        if self.request is not None:
            return IN_BODY
        return IN_HEAD if self.buffer else BETWEEN

    def next_request(self) -> Request | None:
        """The next whole request, or None if it needs more bytes. Raises BadRequest."""
        for event in self._events:
            if event is END:
                request, self.request = self.request, None
                if request and self._body:
                    self._attach(request)
                return request
            if isinstance(event, Request):
                self.request = event
            elif isinstance(event, bytes):
                self._collect(event)
            else:
                self.continue_due = event is NEED_CONTINUE
                return None
        raise self._nothing_more()

    def _collect(self, data: bytes) -> None:
        self._body += data

    def _attach(self, request: Request) -> None:
        request.body = bytes(self._body)
        self._body.clear()


class Reader:
    """Reads a request straight from the bytes received, where it has come whole.

    That is quicker than a `Gatherer`, and leaves nothing to be kept. One reader serves
    all connections of a server, for it remembers nothing of them.
    """

    def __init__(
        self, limits: Limits = Limits(), gatherer: type[Gatherer] = Gatherer
    ) -> None:
        self._limits = limits
        self._gatherer = gatherer
        self._small_bytes = _small_bytes(limits)

    def read(self, data: Data) -> tuple[Request, int] | Gatherer:
        """The request at the beginning of `data`, and how many bytes it has.

        If it has not come whole, or has to be looked at part by part: a gatherer, which
        has been fed the data and waits for the rest. Raises BadRequest.
        """
        begun = None
        head = ORDINARY_HEAD.match(data)
        if head is not None and (end := head.end()) <= self._small_bytes:
            request = Request(head[1].decode(), head[2].decode(), (1, 1), head[4])
            return request, end
        head = HEAD.match(data)
        if head is not None and head.end() <= self._small_bytes:
            begun = request, length, _ = _understand(head, self._limits)
            body = data[head.end() :]
            if length is not None and length <= len(body):
                request.body = bytes(body[:length])
                return request, head.end() + length
            data = body
        gatherer = self._gatherer(self._limits, begun)
        gatherer.feed(data)
        return gatherer


# --- A head --------------------------------------------------------------------------
#
# Fragments of regular expressions. Where what follows does not fit, a plain `*` gives
# back some of what it has taken and tries again, and chosen bytes can make that take
# very long. `*+` and `++` never give back, so each byte is read once, whatever comes.
# What they repeat, if it can fail half-way, stands in an atomic group, `(?>…)`. With a
# plain group, Python before 3.11.5 might go on from the place where the group had
# failed, and match wrongly (gh-100061, gh-106052).


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


TOKEN_CHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # 9110 §5.6.2
FIELD_CHAR = r"[\t -~\x80-\xff]"  # 9110 §5.5; beyond ASCII: allowed, not understood
TARGET_CHAR = r'[!"$-~]'  # §3.2: visible ASCII; clients do not send "#"
MAX_METHOD_BYTES = 32  # §3: 501 for a longer one

METHOD = rf"{TOKEN_CHAR}{{1,{MAX_METHOD_BYTES}}}+"
TOKEN = rf"{TOKEN_CHAR}++"
FIELD = rf"{TOKEN}:{FIELD_CHAR}*+\r\n"  # §5

# §2.1: a whole head. §2.2: an empty line may come before it.
HEAD = _compile(
    rf"(?:\r\n)?({METHOD}) ({TARGET_CHAR}++) HTTP/1\.([0-9])\r\n((?>{FIELD})*+)\r\n"
)

# The fields that say for which host a request is, where it ends, and what the client
# expects before its body and after the answer. (`(?=…)` looks at one letter first. This
# spares most other fields the comparison with every name.)
FRAMING_NAME = (
    r"(?=[CcEeHhTt])(?i:connection|content-length|expect|host|transfer-encoding)"
)
FRAMING_FIELD = _compile(rf"\n({FRAMING_NAME}):([^\r]*+)")

# What nearly every head is: a path, one plain Host, no body, a connection that is kept.
# Without this expression HEAD and `_understand()` would come to the same, more slowly.
OTHER_FIELD = rf"(?!{FRAMING_NAME}:){FIELD}"
ORDINARY_HEAD = _compile(
    rf"(?!CONNECT )({METHOD}) (/{TARGET_CHAR}*+) HTTP/1\.(1)\r\n"
    rf"((?>{OTHER_FIELD})*+[Hh]ost: [A-Za-z0-9.\-]++(?>:[0-9]++)?+\r\n"
    rf"(?>{OTHER_FIELD}|[Cc]onnection: [Kk]eep-[Aa]live\r\n)*+)\r\n"
)

URI_HOST = (  # RFC 3986 §3.2.2
    r"(?:\[[0-9A-Fa-f:.]++\]|(?>[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+)"
)
HOST = re.compile(rf"{URI_HOST}(?::[0-9]*+)?")  # 9110 §7.2
ABSOLUTE_FORM = re.compile(rf"(?i:https?)://(?=[^:/?])({HOST.pattern})((?:[/?].*)?)")
AUTHORITY_FORM = re.compile(rf"(?!:){URI_HOST}:[0-9]++")  # §3.2.3

# §7: a name, and parameters that nobody reads. §7.1: chunked has none.
TRANSFER_CODING = re.compile(rf"(?!chunked[\t ]*+;){TOKEN}([\t ]*+;.*)?")

DIGITS = re.compile(r"[0-9]++")  # 9110 §8.6: no sign, no list, no other digits
FIELD_PARTS = re.compile(r"([^:]++):[\t ]*+([^\r]*+)\r\n")  # of well-formed lines alone


def _events(
    buffer: bytearray, limits: Limits, begun: Begun | None
) -> Iterator[Request | bytes | Event]:
    """The events of a connection. `feed` adds to the buffer, this takes from it."""
    small = _small_bytes(limits)
    keep_alive = True
    while keep_alive:
        if begun is not None:
            request, length, waits = begun
            begun = None
        else:
            while not buffer:
                yield NEED_DATA
            head = ORDINARY_HEAD.match(buffer) or HEAD.match(buffer)
            if head is None or (head.end() > small and not _is_within(limits, head)):
                yield from _walk_head(buffer, limits)
                head = HEAD.match(buffer)
                assert head, "what is right part by part is right as a whole"
            if head.re is ORDINARY_HEAD:
                request = Request(head[1].decode(), head[2].decode(), (1, 1), head[4])
                length, waits = 0, False
            else:
                request, length, waits = _understand(head, limits)
            del buffer[: head.end()]
        keep_alive = request.keep_alive
        yield request
        # A generator that waits keeps its variables: the request, with a body that may
        # be long, would stay in memory until the client sends another.
        del request
        if length != 0:
            if waits and not buffer:
                yield NEED_CONTINUE
            if length is None:
                yield from _chunks(buffer, limits)
            else:
                yield from _data(buffer, length)
        yield END
    while True:  # §9.6: what follows the last request is never processed
        buffer.clear()
        yield NEED_DATA


def _small_bytes(limits: Limits) -> int:
    """A head no longer than this is within all limits, as a field has at least four
    bytes: a letter, the colon, and two that end the line."""
    return min(
        limits.max_target_bytes, limits.max_header_bytes, 4 * limits.max_header_fields
    )


def _is_within(limits: Limits, head: re.Match[bytes]) -> bool:
    return (
        len(head[2]) <= limits.max_target_bytes
        and head.end() - head.start(4) <= limits.max_header_bytes
        and head[4].count(b"\n") <= limits.max_header_fields
    )


def _understand(head: re.Match[bytes], limits: Limits) -> Begun:
    """What a well-formed head means."""
    method, target, lines = head[1].decode(), head[2].decode(), head[4]
    version = (1, min(int(head[3]), 1))  # 9110 §2.5: 1.2 to 1.9 are as 1.1
    fields: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in FRAMING_FIELD.findall(b"\n" + lines):
        fields[name.decode().lower()].append(value.decode("latin-1").strip(" \t"))

    hosts = fields["host"]  # §3.2
    if len(hosts) > 1 or (version == (1, 1) and not hosts):
        raise BadRequest(400, "not exactly one Host field")
    if hosts and not HOST.fullmatch(hosts[0]):
        raise BadRequest(400, "malformed Host")
    headers: dict[str, str] | bytes = lines
    if target.startswith("/") and hosts and hosts[0][:1] in ("", ":"):
        raise BadRequest(400, "empty Host")  # 9110 §4.2.1: an http URI has a host
    if not target.startswith("/") or method == "CONNECT":
        target, host = _other_form(method, target)
        if host is not None:
            headers = _split(lines) | {"host": host}

    length = _body_length(fields, version, limits)

    expectations = set(_elements(fields["expect"])) - {""}
    if version == (1, 0):  # 9110 §10.1.1: to be ignored
        expectations.clear()
    if expectations - {"100-continue"}:
        raise BadRequest(417, "unknown expectation")

    options = _elements(fields["connection"])  # 9110 §7.6.1, §9.3
    keep_alive = "close" not in options and (
        version == (1, 1) or "keep-alive" in options
    )
    request = Request(method, target, version, headers, b"", keep_alive)
    return request, length, bool(expectations)


def _elements(values: list[str]) -> list[str]:
    """The elements, in lower case, of a list with commas (9110 §5.6.1). A field that is
    repeated continues the list."""
    return [element.strip(" \t").lower() for element in ",".join(values).split(",")]


def _body_length(
    fields: dict[str, list[str]], version: tuple[int, int], limits: Limits
) -> int | None:
    """§6.3: the number of bytes, or None if they come in chunks."""
    lengths, codings = fields["content-length"], fields["transfer-encoding"]
    if codings:
        if lengths or version == (1, 0):  # §6.1
            raise BadRequest(400, "Transfer-Encoding where it must not be")
        codings = _elements(codings)
        if not all(TRANSFER_CODING.fullmatch(coding) for coding in codings):
            raise BadRequest(400, "malformed Transfer-Encoding")
        if "chunked" in codings[:-1]:
            raise BadRequest(400, "chunked is not the last transfer coding")
        if codings != ["chunked"]:
            raise BadRequest(501, "unknown transfer coding")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not DIGITS.fullmatch(lengths[0]):
        raise BadRequest(400, "malformed Content-Length")
    if len(lengths[0]) > 18 or int(lengths[0]) > limits.max_body_bytes:
        raise BadRequest(413, "body too long")
    return int(lengths[0])


def _other_form(method: str, target: str) -> tuple[str, str | None]:
    """The path, and the host if it is there, of a target that is not just a path."""
    if method == "CONNECT":
        if AUTHORITY_FORM.fullmatch(target):
            raise BadRequest(501, "no tunnels here")
    elif target == "*":
        if method == "OPTIONS":
            return target, None
    elif match := ABSOLUTE_FORM.fullmatch(target):
        host, path = match.groups()
        if path == "" and method == "OPTIONS":
            return "*", host  # §3.2.4
        return path if path.startswith("/") else "/" + path, host
    raise BadRequest(400, "malformed target")


def _split(lines: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    repeated: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in FIELD_PARTS.findall(lines.decode("latin-1")):
        name, value = name.lower(), value.rstrip(" \t")
        if name in headers:
            repeated[name].append(value)
        else:
            headers[name] = value
    for name, values in repeated.items():
        headers[name] = ", ".join([headers[name], *values])
    return headers


# --- Part by part --------------------------------------------------------------------
#
# A head that has not come whole, or that is wrong, is read again from its beginning,
# one part after another. That finds the first byte that is wrong, and it can wait for
# more bytes in the middle of a part. Chunks are always read in this way.


class Look(Enum):
    """What a look at a part of a request finds."""

    WRONG = 1  # whatever may follow
    BEGUN = 2  # it is right so far, and more bytes are needed
    WHOLE = 3


WRONG, BEGUN, WHOLE = Look


class Part:
    """A part of a request, of which perhaps only the beginning has come.

    A look at it finds that it is WRONG, BEGUN or WHOLE: see `Look`. If it has begun,
    the next look begins where this one ended: if it began anew, a part that comes in
    many small pieces would be read once for each of them. So it may begin in the middle
    of a part. A pattern that must know what stands before that place looks back, with
    `(?<=…)` or `(?<!…)`.

    pattern: matches a part that has begun, or is whole, and has a group if it is whole.
    """

    def __init__(self, name: str, status_if_too_long: int, pattern: str) -> None:
        self.name = name
        self.status_if_too_long = status_if_too_long
        self.pattern = _compile(pattern)

    def look(
        self, buffer: bytearray, begin: int, bound: int
    ) -> tuple[Look, re.Match[bytes] | None]:
        match = self.pattern.match(buffer, begin, bound)
        if match is None:
            return WRONG, None
        return WHOLE if match.lastindex else BEGUN, match


BEGUN_VERSION = r"H(?:T(?:T(?:P(?:/(?:[0-9](?:\.(?:[0-9]\r?)?)?)?)?)?)?)?\Z"
HEX = "[0-9A-Fa-f]"
REST_OF_LINE = rf"{FIELD_CHAR}*+(?:(\r\n)|(?=\r?\Z))"

START = Part("start", 400, r"(?:\r\n|(?=[^\r]))()|(?=\r\Z)")
METHOD_PART = Part("method", 501, rf"{TOKEN_CHAR}*+(?:(?<={TOKEN_CHAR})( )|\Z)")
TARGET = Part("target", 414, rf"{TARGET_CHAR}*+(?:(?<! )( )|\Z)")
VERSION = Part("version", 400, rf"(HTTP/[0-9]\.[0-9]\r\n)|(?={BEGUN_VERSION})")
EMPTY_LINE = r"(?<=\n)(?:(\r\n)|(?=\r\Z))"  # ends the fields: group 1 of NAME
NAME = Part("field name", 431, rf"{EMPTY_LINE}|{TOKEN_CHAR}*+(?:(?<!\n)(:)|\Z)")
VALUE = Part("field value", 431, REST_OF_LINE)
SIZE = Part("chunk size", 400, rf"({HEX}{{1,16}}+)(?:\r\n|;)|(?={HEX}{{1,16}}+\r?\Z)")
EXTENSIONS = Part("chunk extension", 400, REST_OF_LINE)
CHUNK_END = Part("end of a chunk", 400, r"(\r\n)|(?=\r?\Z)")

# What follows the first ";" (§7.1.1; quoted: 9110 §5.6.4). The white space that the
# standard calls "bad" is refused.
QUOTED = rf'"(?>[\t !#-\[\]-~\x80-\xff]|\\{FIELD_CHAR})*+"'
CHUNK_EXTENSIONS = _compile(rf"(?>{TOKEN}(?:=(?:{TOKEN}|{QUOTED}))?(?:;|\r\n))++")


def _walk_part(
    part: Part, buffer: bytearray, begin: int, bound: int
) -> Generator[Event, None, re.Match[bytes]]:
    """Wait until the part that begins at `begin` has come. It must end by `bound`."""
    while True:
        if begin < len(buffer):
            look, match = part.look(buffer, begin, bound)
            if match is None:  # WRONG
                raise BadRequest(400, f"malformed {part.name}")
            if look is WHOLE:
                return match
            if len(buffer) >= bound:
                raise BadRequest(part.status_if_too_long, f"{part.name} too long")
            begin = match.end()
        yield NEED_DATA


def _walk_head(buffer: bytearray, limits: Limits) -> Generator[Event, None, None]:
    """Wait for the rest of a head, and refuse it at the first byte that is wrong."""
    end = (yield from _walk_part(START, buffer, 0, 2)).end()
    bound = end + MAX_METHOD_BYTES + 1
    end = (yield from _walk_part(METHOD_PART, buffer, end, bound)).end()
    bound = end + limits.max_target_bytes + 1
    end = (yield from _walk_part(TARGET, buffer, end, bound)).end()
    version = yield from _walk_part(VERSION, buffer, end, end + 10)
    if not version[0].startswith(b"HTTP/1."):
        raise BadRequest(505, "only HTTP/1 is spoken here")  # 9110 §15.6.6
    yield from _walk_fields(buffer, version.end(), limits)


def _walk_fields(
    buffer: bytearray, end: int, limits: Limits
) -> Generator[Event, None, int]:
    """Wait for the field lines from `end` on, and the empty line that ends them."""
    bound = end + limits.max_header_bytes
    for _ in range(limits.max_header_fields + 1):
        name = yield from _walk_part(NAME, buffer, end, bound)
        if name.lastindex == 1:
            return name.end()
        end = (yield from _walk_part(VALUE, buffer, name.end(), bound)).end()
    raise BadRequest(431, "too many fields")


def _data(buffer: bytearray, size: int) -> Iterator[bytes | Event]:
    """The next `size` bytes, in the pieces in which they come."""
    while size:
        while not buffer:
            yield NEED_DATA
        data = bytes(buffer[:size])
        del buffer[:size]
        size -= len(data)
        yield data


def _chunks(buffer: bytearray, limits: Limits) -> Iterator[bytes | Event]:
    """§7.1: the chunks' data. Extensions and trailers are checked and dropped."""
    left = limits.max_body_bytes
    while True:
        line = yield from _walk_part(SIZE, buffer, 0, 18)
        size, end = int(line[1], 16), line.end()
        if size > left:
            raise BadRequest(413, "body too long")
        left -= size
        if line[0].endswith(b";"):
            bound = end + limits.max_chunk_extension_bytes + 2
            rest = yield from _walk_part(EXTENSIONS, buffer, end, bound)
            if not CHUNK_EXTENSIONS.fullmatch(buffer, end, rest.end()):
                raise BadRequest(400, "malformed chunk extension")
            end = rest.end()
        if size == 0:
            break
        del buffer[:end]
        yield from _data(buffer, size)
        yield from _walk_part(CHUNK_END, buffer, 0, 2)
        del buffer[:2]
    end = yield from _walk_fields(buffer, end, limits)  # §7.1.2
    del buffer[:end]


# --- Responses -----------------------------------------------------------------------

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # 9110 §15.2.1

# Two names that RFC 9110 has changed. Python has the new ones from 3.13 on.
RENAMED = {413: "Content Too Large", 414: "URI Too Long"}
STATUS_LINES = {
    int(status): f"HTTP/1.1 {status} {RENAMED.get(status, status.phrase)}\r\n".encode()
    for status in HTTPStatus
}
WITHOUT_BODY = frozenset((*range(100, 200), 204, 304))  # 9110 §15

# A field that a handler may send: well-formed, and none that the server itself writes.
RESPONSE_FIELD = re.compile(
    r"(?!(?=[CcDdTt])(?i:connection|content-length|date|transfer-encoding):)"
    rf"{TOKEN}: {FIELD_CHAR}*+"
)


class Response:
    """An answer. Raises ValueError for a header that a handler must not send (9110
    §5.5), a status that is not from 100 to 999, and a body that is not bytes."""

    __slots__ = ("_lines", "body", "status")

    def __init__(
        self, status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        lines = ""
        for name, value in headers:
            line = f"{name}: {value}"
            if ":" in name or not RESPONSE_FIELD.fullmatch(line):
                raise ValueError(f"not a header that a handler may send: {line!r}")
            lines += line + "\r\n"
        self.status = status
        self.body = body
        self._lines = lines.encode("latin-1")
        self.check()

    def check(self) -> None:
        """Raise ValueError if it cannot be sent: a handler may have changed it."""
        status, body = self.status, self.body
        is_sound = type(status) is int and type(body) is type(self._lines) is bytes
        if not is_sound or not 100 <= status <= 999:
            raise ValueError(f"not an answer: {status!r} and a {type(body).__name__}")

    def encode_head(self, request: Request | None, keep_alive: bool) -> bytes:
        """All that comes before the body. `request` is None in answer to a bad one."""
        status, length, connection = self.status, b"", b""
        if status not in WITHOUT_BODY:
            length = b"Content-Length: %d\r\n" % len(self.body)
        if not keep_alive:
            connection = b"Connection: close\r\n"  # §9.6
        elif request and request.version == (1, 0):
            connection = b"Connection: keep-alive\r\n"  # §9.3
        line = STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        date = http_date(int(time.time()))
        lines = (line, date, length, connection, self._lines)
        return b"%bDate: %b\r\n%b%b%b\r\n" % lines

    def encode_body(self, request: Request | None) -> bytes:
        """The body, where the status and the method allow one (§6.3)."""
        if self.status in WITHOUT_BODY or (request and request.method == "HEAD"):
            return b""
        return self.body

    def encode(self, request: Request | None, keep_alive: bool) -> bytes:
        """Head and body together."""
        return self.encode_head(request, keep_alive) + self.encode_body(request)


@lru_cache(maxsize=1)
def http_date(second: int) -> bytes:
    """The value of the Date field (9110 §5.6.7). The cache is there so that it is made
    once a second, and not once a response."""
    return formatdate(second, usegmt=True).encode()
