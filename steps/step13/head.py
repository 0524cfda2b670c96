"""The head of an answer that a WSGI application gives: what may stand in it is checked,
and where the answer ends is decided."""

import re
from functools import lru_cache
from typing import NamedTuple

from steps.http11 import WITHOUT_BODY, http_date

Headers = tuple[tuple[str, str], ...]

# How many statuses with their fields are remembered, and how many fields and bytes each
# may have: so they take a few megabytes at most, whatever an application sends.
MAX_REMEMBERED_STARTS = 256
MAX_REMEMBERED_START = 2048
MAX_REMEMBERED_FIELDS = 32

# A line that an application sends again and again is remembered; not a longer one: it
# may differ each time, and so many of any length could fill the memory.
MAX_REMEMBERED_LINE = 256


# [check]
STATUS = re.compile(r"([2-9][0-9]{2}) [\t -~\x80-\xff]*+")
FIELD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++: [\t -~\x80-\xff]*+")
# These fields are about the connection. It belongs to the server, so an application may
# not send them (PEP 3333, RFC 9110 §7.6.1).
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("proxy-connection", "te", "trailer", "trailers", "transfer-encoding"),
    "upgrade",
}


def field_line(name: str, value: str) -> tuple[bytes, str]:
    """The line, and the name in lower case. ValueError for what must not be sent."""
    line, lower_name = f"{name}: {value}", name.lower()
    if ":" in name or not FIELD.fullmatch(line) or lower_name in HOP_BY_HOP:
        raise ValueError(f"not a header that an application may send: {line!r}")
    return line.encode("latin-1") + b"\r\n", lower_name


# [/check]


remembered_line = lru_cache(maxsize=1024)(field_line)


class Start:
    """What an application has given to `start_response()`, if it may be sent. Raises
    ValueError, or TypeError, for what must not be."""

    __slots__ = ("date", "fields", "has_body", "is_remembered", "length", "line")

    def __init__(self, status: str, headers: Headers) -> None:
        # A subclass of str is a str, and one of tuple a tuple, so it is sent. But it
        # may have its own idea of what it is equal to. Were it remembered, the fields
        # of other answers would be compared with it.
        is_exact = type(status) is str
        if not (match := STATUS.fullmatch(status)):
            raise ValueError(f"not a status: {status!r}")
        self.line = match[0].encode("latin-1")
        self.has_body = int(match[1]) not in WITHOUT_BODY
        self.length: int | None = None  # of the body, if the application says it
        self.date: bytes | None = None  # likewise
        lines = []
        size = len(status)
        for field in headers:
            name, value = field
            if type(field) is not tuple or not type(name) is type(value) is str:
                name, value = exact_str(name), exact_str(value)
                is_exact = False
            length = len(name) + len(value)
            size += length
            encode = remembered_line if length <= MAX_REMEMBERED_LINE else field_line
            line, lower_name = encode(name, value)
            if lower_name == "content-length":
                if self.length is not None or not value.isdecimal():
                    raise ValueError(f"not a Content-Length: {value!r}")
                self.length = int(value)
            elif lower_name == "date":
                self.date = value.encode("latin-1")
            else:
                lines.append(line)
        self.fields = b"".join(lines)
        self.is_remembered = (
            is_exact
            and size <= MAX_REMEMBERED_START
            and len(headers) <= MAX_REMEMBERED_FIELDS
        )


def exact_str(text: str) -> str:
    """The same letters, without the methods that a subclass may have put in place of
    those of str."""
    if not isinstance(text, str):
        raise TypeError(f"not a str but {type(text).__name__}: {text!r:.99}")
    return str.__str__(text)


# [framing]
class Framing(NamedTuple):
    """How a client is told where an answer ends."""

    length: int | None  # for Content-Length; None: it is not sent
    due: int | None  # how many bytes of body are sent; None: all that come
    is_chunked: bool = False
    closes: bool = False  # the end of the connection is the end of the body


def framing(
    has_body: bool, is_head: bool, said: int | None, counted: int | None, is_1_1: bool
) -> Framing:
    """How an answer is framed (RFC 9112 §6.3): four facts decide it. One of them, the
    length of the body, is said by the application in its Content-Length, or else may be
    counted by the server, if all of the body is there.

    | status    | method | length  | HTTP | the client is told         | body |
    |-----------|--------|---------|------|----------------------------|------|
    | 204, 304  | any    | any     | any  | nothing                    | 0    |
    | any other | HEAD   | said    | any  | Content-Length             | 0    |
    | any other | HEAD   | counted | any  | nothing                    | 0    |
    | any other | HEAD   | unknown | any  | nothing                    | 0    |
    | any other | other  | said    | any  | Content-Length             | said |
    | any other | other  | counted | any  | Content-Length             | all  |
    | any other | other  | unknown | 1.1  | Transfer-Encoding: chunked | all  |
    | any other | other  | unknown | 1.0  | Connection: close          | all  |

    (What is counted in an answer to HEAD says nothing: the application may have left
    the body out.)
    """
    if not has_body:
        return Framing(None, 0)
    if is_head:
        return Framing(said, 0)
    length = counted if said is None else said
    if length is None:
        return Framing(None, None, is_chunked=is_1_1, closes=not is_1_1)
    return Framing(length, length)


# [/framing]


def make_head(
    start: Start,
    second: int,
    counted: int | None,
    is_head: bool,
    version: tuple[int, int],
    keep: bool,
) -> tuple[bytes, int | None, bool, bool]:
    """The head; how many bytes of body are due, None if nobody knows; whether they come
    in chunks; and whether the connection can be kept."""
    length, due, is_chunked, closes = framing(
        start.has_body, is_head, start.length, counted, version == (1, 1)
    )
    keep = keep and not closes
    more = b""
    if length is not None:
        more = b"Content-Length: %d\r\n" % length
    elif is_chunked:
        more = b"Transfer-Encoding: chunked\r\n"
    if not keep:
        more += b"Connection: close\r\n"
    elif version == (1, 0):
        more += b"Connection: keep-alive\r\n"
    lines = (start.line, start.date or http_date(second), start.fields, more)
    return b"HTTP/1.1 %b\r\nDate: %b\r\n%b%b\r\n" % lines, due, is_chunked, keep


remembered_head = lru_cache(maxsize=256)(make_head)
