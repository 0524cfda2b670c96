"""What a server must refuse, and what it must not: a checklist that goes over the wire.

Only what RFC 9110 and 9112 say with a MUST: a server may refuse more, and many do well
to. Where they leave a choice (a bare LF ends a line or does not, a folded field is
refused or unfolded), there is no case here.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.measure.servers import ServerError
from lab.record.model import Strictness

HOST = "127.0.0.1"
#: Who has not answered, or closed, after so long keeps the client waiting.
WAIT_S = 1.0
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")

#: refuse: an error, or the end of the connection, and no answer. close: the end, after
#: one answer at most, whatever is sent behind it. not answer: anything else will do.
#: accept: an answer, and no error to what comes behind it.
Must = Literal["refuse", "close", "not answer", "accept"]


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    data: bytes
    must: Must
    #: Where that is said.
    clause: str


def _get(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"a") -> bytes:
    return b"\r\n".join([line, b"Host: " + host, *fields, b"", b""])


def _post(*fields: bytes, body: bytes, line: bytes = b"POST / HTTP/1.1") -> bytes:
    return _get(*fields, line=line) + body


def _cases(
    must: Must, clause: str, of: dict[str, bytes], behind: bytes = b""
) -> list[Case]:
    return [Case(name, data + behind, must, clause) for name, data in of.items()]


_LAST_CHUNK = b"0\r\n\r\n"
_CHUNKS = b"3\r\nabc\r\n" + _LAST_CHUNK
_CHUNKED = b"Transfer-Encoding: chunked"
_THREE = b"Content-Length: 3"
_FIELD_NAMES = "RFC 9112, 5.1"
_HOST = "RFC 9112, 3.2"
_CODINGS = "RFC 9112, 6.1"
_LENGTHS = "RFC 9112, 6.3"

REFUSED = [
    *_cases(
        "refuse",
        _FIELD_NAMES,
        {
            "a space before the colon": _get(b"X : a"),
            "a tab before the colon": _get(b"X\t: a"),
            "Content-Length, a space, a colon": _post(
                b"Content-Length : 3", body=b"abc"
            ),
            "Transfer-Encoding, a space, a colon": _post(
                b"Transfer-Encoding : chunked", body=_CHUNKS
            ),
        },
    ),
    *_cases(
        "refuse",
        _HOST,
        {
            "no Host": b"GET / HTTP/1.1\r\n\r\n",
            "no Host beside an absolute target": b"GET http://a/ HTTP/1.1\r\n\r\n",
            "the same Host twice": _get(b"Host: a"),
            "two Hosts": _get(b"Host: b"),
            "two Hosts in HTTP/1.0": _get(b"Host: b", line=b"GET / HTTP/1.0"),
            **{
                f"Host: {host.decode('latin-1')}": _get(host=host)
                for host in (b"a b", b"a/b", b"u@a", b"a:b", b"[::1", b"\xe9")
            },
        },
    ),
    *_cases(
        "refuse",
        _LENGTHS,
        {
            **{
                f"Transfer-Encoding: {coding.decode()}": _post(
                    b"Transfer-Encoding: " + coding, body=_CHUNKS
                )
                for coding in (
                    *(b"gzip", b"identity", b"xchunked"),
                    *(b"chunked, gzip", b"chunked, identity"),
                )
            },
            "a vertical tab before chunked": _post(
                b"Transfer-Encoding: \x0bchunked", body=_CHUNKS
            ),
            "chunked, and gzip in another field": _post(
                _CHUNKED, b"Transfer-Encoding: gzip", body=_CHUNKS
            ),
            **{
                f"Content-Length: {length}": _post(
                    b"Content-Length: " + length.encode(), body=b"abc"
                )
                for length in ("+3", "-3", "3_0", "0x3", "3a", "3 3", "3, 4", "٣")
            },
            "two Content-Lengths": _post(_THREE, b"Content-Length: 4", body=b"abc"),
        },
    ),
    *_cases(
        "close",
        _CODINGS,
        {
            "Transfer-Encoding and Content-Length": _post(
                _CHUNKED, _THREE, body=_CHUNKS
            ),
            "Content-Length and Transfer-Encoding": _post(
                _THREE, _CHUNKED, body=_CHUNKS
            ),
            "Transfer-Encoding in HTTP/1.0": _post(
                b"Connection: keep-alive",
                _CHUNKED,
                body=_CHUNKS,
                line=b"POST / HTTP/1.0",
            ),
        },
        behind=_get(),
    ),
    *_cases(
        "close",
        "RFC 9112, 9.6",
        {"a request behind Connection: close": _get(b"Connection: close")},
        behind=_get(),
    ),
    *_cases(
        "not answer",
        "RFC 9110, 8.6",
        {
            "a Content-Length of 2⁶⁴ + 3": _post(
                b"Content-Length: %d" % (2**64 + 3), body=b"abc"
            )
        },
    ),
]

#: Behind those that are accepted: who has read the one to its end finds the other.
_LAST = _get(b"Connection: close")

ACCEPTED = [
    *_cases(  # it closes by itself
        "accept",
        "RFC 9112, 3.2",
        {"HTTP/1.0 without Host": b"GET / HTTP/1.0\r\n\r\n"},
    ),
    *_cases(
        "accept",
        "RFC 9112, 3.2",
        {
            "a plain request": _get(),
            "Host with a port": _get(host=b"a:80"),
            "Host of IPv6": _get(host=b"[::1]:80"),
            "an absolute target": _get(line=b"GET http://a/ HTTP/1.1"),
        },
        behind=_LAST,
    ),
    *_cases(
        "accept",
        "RFC 9112, 5",
        {
            "a tab behind the colon": _get(b"X:\ta"),
            "an empty value": _get(b"X:"),
            "a name in small letters": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        },
        behind=_LAST,
    ),
    *_cases(
        "accept",
        "RFC 9112, 6 and 7.1",
        {
            "Content-Length": _post(_THREE, body=b"abc"),
            "Content-Length: 0003": _post(b"Content-Length: 0003", body=b"abc"),
            "chunks": _post(_CHUNKED, body=_CHUNKS),
            "CHUNKED": _post(b"Transfer-Encoding: CHUNKED", body=_CHUNKS),
            "a chunk extension": _post(
                _CHUNKED, body=b'3;a="b"\r\nabc\r\n' + _LAST_CHUNK
            ),
            "a space before a chunk extension": _post(
                _CHUNKED, body=b"3 ;a=b\r\nabc\r\n" + _LAST_CHUNK
            ),
            "a trailer": _post(_CHUNKED, body=b"3\r\nabc\r\n0\r\nX: a\r\n\r\n"),
        },
        behind=_LAST,
    ),
]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a case: final statuses, and whether the server closed."""

    statuses: Sequence[int]
    closed: bool

    @property
    def waits(self) -> bool:
        """Neither an answer nor an end."""
        return not self.statuses and not self.closed

    def is_right(self, must: Must) -> bool:
        answered = [status for status in self.statuses if status < 400]
        match must:
            case "accept":
                return bool(answered) and answered == list(self.statuses)
            case "refuse":
                return not answered and not self.waits
            case "close":
                return len(answered) <= 1 and self.closed
            case "not answer":
                return not answered


def check(port: int, stop: threading.Event | None = None) -> Strictness:
    """Send the checklist to a server, a case after the other, each on a connection of
    its own: so nobody waits for a thread that an earlier case occupies."""
    seen: dict[str, tuple[Case, Seen]] = {}
    for case in (*REFUSED, *ACCEPTED):
        if stop is not None and stop.is_set():
            raise ServerError("interrupted")
        seen[case.name] = case, send(port, case)
    wrong = [c for c, what in seen.values() if not what.is_right(c.must)]
    let_through = [case.name for case in wrong if case.must != "accept"]
    not_accepted = [case.name for case in wrong if case.must == "accept"]
    return Strictness(
        must_refuse=len(REFUSED),
        refused=len(REFUSED) - len(let_through),
        waited=[name for name in let_through if seen[name][1].waits],
        let_through=[name for name in let_through if not seen[name][1].waits],
        must_accept=len(ACCEPTED),
        accepted=len(ACCEPTED) - len(not_accepted),
        not_accepted=not_accepted,
    )


def send(port: int, case: Case) -> Seen:
    """Send it, and read until the server closes or has said all that is asked."""
    try:
        sock = socket.create_connection((HOST, port), WAIT_S)
    except OSError:
        raise ServerError(f"takes no connection, before the case {case.name}") from None
    received, closed = b"", False
    end = time.monotonic() + WAIT_S
    try:
        sock.sendall(case.data)
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            if not (data := sock.recv(65_536)):
                closed = True
                break
            received += data
            if case.must not in ("close", "accept") and _statuses(received):
                break
    except TimeoutError:
        pass
    except OSError:  # a reset is an end as well
        closed = True
    finally:
        sock.close()
    return Seen(_statuses(received), closed)


def _statuses(received: bytes) -> list[int]:
    """Of the final answers. (The document that is served has none in it.)"""
    found = [int(status) for status in _STATUS.findall(received)]
    return [status for status in found if status >= 200]
