"""http11 beside two parsers that people trust: h11, and httptools (Node's llhttp).

All read the same connections, request by request, up to the first difference. Every
difference has a reason in the table below, and an example that shows that it is real.
"""

import re
from dataclasses import dataclass, field

import h11
import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http11.messages import damaged, messages
from tests.http11.reading import BROWSER_GET, CHUNKED, GET, get, read

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Heard:
    """A whole request, as far as the three can be compared."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes


@dataclass
class Account:
    """What one parser says of a connection: the requests, and why there are no more."""

    requests: list[Heard] = field(default_factory=list)
    refusal: str | None = None  # None: it wants more bytes

    def verdict(self, number: int) -> str:
        if number < len(self.requests):
            return "reads it"
        return "waits" if self.refusal is None else f"refuses: {self.refusal}"


def heard(
    method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], body: bytes
) -> Heard:
    """A request, with what http11 does for the application done for the others too."""
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        name = name.lower()
        if name == b"transfer-encoding":
            value = value.lower()  # as h11 does
        headers[name] = headers[name] + b", " + value if name in headers else value
    if absolute := re.match(rb"(?i:https?)://([^/?]+)(.*)", target, re.DOTALL):
        headers[b"host"] = absolute[1]
        target = absolute[2] or (b"*" if method == b"OPTIONS" else b"/")
        if target.startswith(b"?"):
            target = b"/" + target
    return Heard(method, target, headers, body)


def by_http11(data: bytes) -> Account:
    reading = read(data)
    account = Account(refusal=reading.reason if reading.status else None)
    for message in reading.messages:
        if message.is_over:
            fields = [
                (name.encode(), value.encode("latin-1"))
                for name, value in message.headers.items()
            ]
            method, target = message.method.encode(), message.target.encode()
            account.requests.append(heard(method, target, fields, message.body))
    return account


def by_h11(data: bytes) -> Account:
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    account = Account()
    body = b""
    try:
        while (event := server.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                account.requests.append(
                    heard(request.method, request.target, list(request.headers), body)
                )
            else:  # it wants the answer to be sent before it reads on
                no = h11.Response(status_code=404, headers=[("Content-Length", "0")])
                server.send(no)
                server.send(h11.EndOfMessage())
                if server.our_state is not h11.DONE:
                    break  # the connection is to be closed
                server.start_next_cycle()
    except h11.RemoteProtocolError as error:
        account.refusal = str(error)
    return account


class Callbacks:
    """What httptools calls."""

    def __init__(self) -> None:
        self.account = Account()
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.target = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.is_head_over = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_head_over:  # it gives trailers in the same way
            self.fields.append((name, value.rstrip(b" \t")))  # which it leaves

    def on_headers_complete(self) -> None:
        self.is_head_over = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        method = self.parser.get_method()
        self.account.requests.append(heard(method, self.target, self.fields, self.body))


def by_httptools(data: bytes) -> Account:
    callbacks = Callbacks()
    try:
        callbacks.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # what follows is not HTTP
    except httptools.HttpParserError as error:
        callbacks.account.refusal = str(error)
    return callbacks.account


PEERS = {"h11": by_h11, "httptools": by_httptools}


def first_difference(data: bytes, peer: str) -> tuple[str, str] | None:
    """What http11 and what the peer say of the first request they do not agree on."""
    ours, theirs = by_http11(data), PEERS[peer](data)
    number = 0
    for our, their in zip(ours.requests, theirs.requests, strict=False):
        if our != their:
            return f"reads {our}", f"reads {their}"
        number += 1
    if ours.verdict(number)[:7] == theirs.verdict(number)[:7]:  # for whatever reason
        return None
    return ours.verdict(number), theirs.verdict(number)


@dataclass(frozen=True)
class Difference:
    """A difference that is meant; the verdicts and `where` are regular expressions."""

    why: str
    peers: str
    ours: str
    theirs: str
    examples: tuple[bytes, ...]
    where: bytes = b""  # something that the bytes must have for this to be the reason


H11, HTTPTOOLS, BOTH = "h11", "httptools", "h11 httptools"
READS, WAITS = "reads it", "waits"
LENGTH_3 = b"Content-Length: 3"
IN_CHUNKS = b"Transfer-Encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"

DIFFERENCES = [
    # What http11 refuses and others read: each could be read in two ways.
    Difference(
        "a bare LF ends a line for h11 (§2.2 lets it); not for llhttp, not for us",
        *(H11, "refuses: malformed (field name|field value|version)", READS),
        (GET.replace(b"\r", b""), GET[:-2] + b"\n", get(b"X: a\nY: b")),
        rb"(?<!\r)\n",
    ),
    Difference(
        "h11 unfolds folded fields; §5.2 lets a server refuse them",
        *(H11, "refuses: malformed field name", READS),
        (get(b"X: a", b" b"), get(b"X: a", b"\tb")),
        rb"\r\n[ \t]",
    ),
    Difference(
        "any target will do for h11; a fragment and `*` for llhttp too. We take the "
        "four forms of §3.2",
        *(BOTH, "refuses: malformed target", READS),
        (
            get(line=b"GET * HTTP/1.1"),
            get(line=b"GET /#a HTTP/1.1"),
            get(line=b"CONNECT / HTTP/1.1"),
        ),
    ),
    Difference(
        "llhttp reads HTTP/0.9 requests, and skips spaces around the target",
        *(HTTPTOOLS, "refuses: malformed (target|version)", READS),
        (b"GET /\r\n\r\n", get(line=b"GET  /  HTTP/1.1"), get(line=b"GET /  HTTP/1.1")),
    ),
    Difference(
        "llhttp skips any number of CR and LF before a request; §2.2 means one CRLF",
        *(HTTPTOOLS, "refuses: malformed (start|method)", READS),
        (b"\r\n\r\n" + GET, b"\n" + GET, b"\r" + GET),
        rb"\A[\r\n]|\r\n[\r\n]",
    ),
    Difference(
        "the value of Host is not looked at, though §3.2 wants 400 for an invalid one",
        *(BOTH, "refuses: malformed Host", READS),
        (
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        ),
    ),
    Difference(
        "llhttp leaves it to its caller to count the Hosts (§3.2)",
        *(HTTPTOOLS, "refuses: not exactly one Host", READS),
        (b"GET / HTTP/1.1\r\n\r\n", get(b"Host: b")),
    ),
    Difference(
        "h11 wants a Host in 1.1 and in no other version; 1.2 is to be read as 1.1",
        *(H11, "refuses: not exactly one Host", READS),
        (b"GET / HTTP/1.2\r\n\r\n",),
        rb"HTTP/1\.[2-9]",
    ),
    Difference(
        "h11 takes a length that is said twice if it is the same (9110 §8.6 lets it)",
        *(H11, "refuses: malformed Content-Length", READS),
        (get(LENGTH_3, LENGTH_3) + b"abc", get(LENGTH_3 + b", 3") + b"abc"),
    ),
    Difference(
        "Transfer-Encoding beside Content-Length wins in h11 (§6.3 lets it)",
        *(H11, "refuses: Transfer-Encoding where", READS),
        (get(IN_CHUNKS, LENGTH_3) + LAST_CHUNK,),
        rb"(?i:content-length)",
    ),
    Difference(
        "chunks in HTTP/1.0, where §6.1 says that the framing is faulty",
        *(BOTH, "refuses: Transfer-Encoding where", READS),
        (get(IN_CHUNKS, line=b"GET / HTTP/1.0") + LAST_CHUNK,),
        rb"HTTP/1\.0",
    ),
    Difference(
        "llhttp leaves other codings than chunked to its caller",
        *(HTTPTOOLS, "refuses: unknown transfer coding", READS),
        (get(b"Transfer-Encoding: gzip, chunked") + LAST_CHUNK,),
    ),
    Difference(
        "h11 takes all control characters but NUL, CR and white space in a value",
        *(H11, "refuses: malformed field value", READS),
        (get(b"X: a\x01b"), get(b"X: a\x7fb")),
        rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]",
    ),
    Difference(
        "h11 takes twenty digits of a chunk size; sixteen are 64 bits",
        *(H11, "refuses: malformed chunk size", "waits"),
        (CHUNKED + b"f" * 17 + b"\r\n",),
        rb"[0-9A-Fa-f]{17}",
    ),
    Difference(
        "h11 takes anything for a chunk extension",
        *(H11, "refuses: malformed chunk extension", READS),
        (
            CHUNKED + b"0;;\r\n\r\n",
            CHUNKED + b"0;a\rb\r\n\r\n",
            CHUNKED + b'0;a="\r\n\r\n',
        ),
    ),
    Difference(
        "h11 takes spaces after a chunk size, as some old servers sent them",
        *(H11, "refuses: malformed chunk size", READS),
        (CHUNKED + b"0 \r\n\r\n",),
        rb"[0-9A-Fa-f] +\r",
    ),
    Difference(
        "any version of one digit and one, though nothing is known of HTTP/2.0's form",
        *(BOTH, "refuses: only HTTP/1", READS),
        (get(line=b"GET / HTTP/2.0"),),
    ),
    Difference(
        "expectations are left to the caller; our steps can meet none",
        *(BOTH, "refuses: unknown expectation", READS),
        (get(b"Expect: x"),),
    ),
    Difference(
        "CONNECT is left to the caller; our steps are no proxies",
        *(BOTH, "refuses: no tunnels", READS),
        (get(line=b"CONNECT b:80 HTTP/1.1"),),
    ),
    # What http11 reads and others refuse.
    Difference(
        "h11 takes an empty line before the request line for the line (§2.2)",
        *(H11, "reads it|waits", "refuses: no request line received"),
        (b"\r\n" + GET,),
        rb"\A\r\n|\r\n\r\n",
    ),
    Difference(
        "and so h11 refuses the CR of such a line already",
        *(H11, WAITS, "refuses: illegal request line"),
        (b"\r", GET + b"\r"),
        rb"\r\Z",
    ),
    Difference(
        "an unknown method is answered by the application; llhttp has a fixed list",
        *(
            HTTPTOOLS,
            "reads it|waits",
            "refuses: (Invalid|Expected space after) method",
        ),
        (get(line=b"BREW / HTTP/1.1"), get(line=b"GETS / HTTP/1.1")),
    ),
    Difference(
        "1.2 to 1.9 are to be read as 1.1 (9110 §2.5); llhttp refuses them",
        *(HTTPTOOLS, "reads it|waits", "refuses: Invalid HTTP version"),
        (get(line=b"GET / HTTP/1.2"),),
        rb"HTTP/1\.[2-9]",
    ),
    Difference(
        "h11 never keeps a connection of HTTP/1.0, as `ab -k` asks for (§9.3)",
        *(H11, "reads it", "refuses: Got data when expecting EOF"),
        (get(b"Connection: keep-alive", line=b"GET / HTTP/1.0") + NEXT,),
        rb"HTTP/1\.0",
    ),
    # What comes after the last request.
    Difference(
        "what follows the last request is an error to both; we drop it, for the answer "
        "to that request still has to go out (§9.6)",
        *(
            BOTH,
            "waits",
            "refuses: (Got data when expecting EOF|Data after `Connection)",
        ),
        (get(b"Connection: close") + NEXT,),
    ),
    Difference(
        "llhttp keeps a connection of HTTP/1.0 that says both close and keep-alive",
        *(HTTPTOOLS, "waits", READS),
        (get(b"Connection: close, keep-alive", line=b"GET / HTTP/1.0") + NEXT,),
        rb"HTTP/1\.0",
    ),
    # Time.
    Difference(
        "http11 judges what a head means when the head is whole; llhttp judges targets "
        "and lengths when they are",
        *(HTTPTOOLS, WAITS, "refuses: (Unexpected|Invalid) char.* in (url|Content)"),
        (b"GET b:80 HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nContent-Length: 3,"),
    ),
    Difference(
        "http11 refuses with the first byte that is wrong; others may wait for the "
        "line, the head or the body to be whole",
        *(BOTH, "refuses: .*", "waits"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n" + LENGTH_3 + b"\r\n\r\n",),
    ),
]


def reasons(data: bytes, peer: str, verdicts: tuple[str, str]) -> list[Difference]:
    return [
        known
        for known in DIFFERENCES
        if peer in known.peers.split()
        and re.match(known.ours, verdicts[0])
        and re.match(known.theirs, verdicts[1])
        and re.search(known.where, data)
    ]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(
    "data",
    [
        GET,
        GET * 3,
        BROWSER_GET + NEXT,
        get(b"X:", b"Y: \t a\tb\x80\xff \t", b"a: 1", b"A: 2") + NEXT,
        get(line=b"GET http://b/c?d HTTP/1.1") + NEXT,
        get(line=b"OPTIONS * HTTP/1.1") + NEXT,
        get(line=b"GET / HTTP/1.0"),
        get(LENGTH_3) + b"abc" + NEXT,
        get(b"Content-Length: 0") + NEXT,
        CHUNKED + b'3;a;b=c;d="e f"\r\nabc\r\n0A\r\n0123456789\r\n' + LAST_CHUNK,
        CHUNKED + b"1\r\na\r\n00\r\nT: a\r\nU:\r\n\r\n" + NEXT,
        get(b"Transfer-Encoding: ChunkeD") + LAST_CHUNK + NEXT,
        get(b"Connection: foo, Close"),
        CHUNKED + b"3\r\nab",
        BROWSER_GET[:-1],
        # Refused by all.
        *(GET.replace(b"Host:", b"Host%c:" % char) for char in b" \t@\x00\x80"),
        *(get(b"X: a%cb" % char) for char in b"\x00\r"),
        *(get(line=b"GET /%c HTTP/1.1" % char) for char in b"\x00\t\x80\xff"),
        *(get(b"Content-Length:" + length) for length in (b"", b"+3", b"-3", b"0x3")),
        *(get(b"Content-Length: " + length) for length in (b"3_", b"3 3", b"3;", b"a")),
        get(LENGTH_3, b"Content-Length: 4") + b"abc",
        get(b"Transfer-Encoding: chunked, chunked") + LAST_CHUNK,
        get(b'Transfer-Encoding: "chunked"') + LAST_CHUNK,
        get(b"Transfer-Encoding: xchunked") + LAST_CHUNK,
        get(b"Transfer-Encoding: chunked;a") + LAST_CHUNK,
        *(CHUNKED + size + b"\r\nab\r\n" for size in (b"", b"+2", b"0x2", b" 2")),
        *(CHUNKED + b"3" + rest for rest in (b"\nabc\r\n", b"\r\nabcd\r\n")),
        CHUNKED + b"0\r\nT : a\r\n\r\n",
        *(get(line=b"GET / " + v) for v in (b"http/1.1", b"HTTP/11", b"HTTP/1.1 ")),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)  # fmt: skip
def test_agreed(data: bytes, peer: str) -> None:
    assert first_difference(data, peer) is None


@pytest.mark.parametrize(
    ("known", "peer", "data"),
    [
        (known, peer, data)
        for known in DIFFERENCES
        for peer in known.peers.split()
        for data in known.examples
    ],
)
def test_each_difference_is_real(known: Difference, peer: str, data: bytes) -> None:
    verdicts = first_difference(data, peer)
    assert verdicts is not None, f"no difference any more: {known.why}"
    assert known in reasons(data, peer, verdicts), verdicts


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.one_of(messages(), messages().flatmap(damaged)))
def test_there_is_no_other_difference(message: bytes) -> None:
    for data in message, message + NEXT:
        for peer in PEERS:
            verdicts = first_difference(data, peer)
            assert verdicts is None or reasons(data, peer, verdicts), (peer, verdicts)
