"""The contract's lines, each with inputs that it is about and what they come to.

`(bytes, status)`: refused. `(bytes, {...})`: the application sees a request with these
attributes. test_checklist.py has many more, for the parser; these here are sent to
servers.
"""

from typing import Any

from steps.http11 import Limits
from tests.http11.reading import CHUNKED, GET, get

Outcome = int | dict[str, Any]
LIMITS = Limits()
BIG = LIMITS.max_body_bytes + 1


def line(text: bytes, *fields: bytes) -> bytes:
    return get(*fields, line=text)


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return line(b"POST / HTTP/1.1", *fields) + body


def length(value: bytes, body: bytes = b"") -> bytes:
    return post(b"Content-Length: " + value, body=body)


def coding(value: bytes, body: bytes = b"0\r\n\r\n") -> bytes:
    return post(b"Transfer-Encoding: " + value, body=body)


def chunks(body: bytes) -> bytes:
    return CHUNKED + body


def refuse(status: int, *inputs: bytes) -> list[tuple[bytes, Outcome]]:
    return [(data, status) for data in inputs]


def accept(data: bytes, **seen: Any) -> list[tuple[bytes, Outcome]]:
    return [(data, seen)]


LINES: dict[str, list[tuple[bytes, Outcome]]] = {
    "bare LF as a line end": refuse(
        400,
        GET.replace(b"\r\n", b"\n"),
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        chunks(b"0\r\nT: a\n\r\n"),
    ),
    "bare CR, NUL, control characters": refuse(
        400,
        get(b"X: a\rb"),
        get(b"X: a\r"),
        *(get(b"X: a%cb" % byte) for byte in (0, 1, 8, 11, 12, 27, 31, 127)),
    ),
    "obs-text in a value": accept(get(b"X: a\x80\xff"), headers={"x": "a\x80\xff"}),
    "one empty line before": [
        *accept(b"\r\n" + GET, target="/"),
        *refuse(400, b"\r\n\r\n" + GET),
    ],
    "white space before the first field, folding": refuse(
        400,
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
        get(b"X: a", b" b"),
        get(b"X: a", b"\tb"),
    ),
    "field names": refuse(
        400,
        *(
            get(name)
            for name in (b"X : a", b"X\t: a", b": a", b"X", b"X a", b"X\xe9: a")
        ),
        *(get(b"X%c: a" % char) for char in b'"(),/;<=>?@[\\]{}'),
    ),
    "Content-Length": [
        *accept(length(b"5", b"hello"), body=b"hello"),
        *accept(length(b"0005", b"hello"), body=b"hello"),
        *refuse(
            400,
            post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
            post(b"Content-Length: 3", b"Content-Length: 4", body=b"abc"),
            *(
                length(value, b"abc")
                for value in (b"3, 3", b"+3", b"-3", b"3_0", b"0x3", b"", b"3a", b"3 3")
            ),
            length("٣".encode(), b"abc"),
        ),
    ],
    "Content-Length over the limit": refuse(
        413, length(b"%d" % BIG), length(b"9" * 18), length(b"9" * 5000)
    ),
    "Transfer-Encoding and Content-Length": refuse(
        400,
        post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    "Transfer-Encoding in 1.0": refuse(
        400, line(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"
    ),
    "chunked in any letter case": [
        *accept(coding(b"Chunked", b"3\r\nabc\r\n0\r\n\r\n"), body=b"abc"),
        *accept(coding(b"CHUNKED", b"3\r\nabc\r\n0\r\n\r\n"), body=b"abc"),
    ],
    "chunked not last, twice, in two fields, quoted, with a VT": refuse(
        400,
        coding(b"chunked, gzip"),
        coding(b"chunked, chunked"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        coding(b'"chunked"'),
        coding(b"\x0bchunked"),
        coding(b""),
    ),
    "a coding that is not supported": refuse(
        501,
        *(coding(c) for c in (b"gzip", b"gzip, chunked", b"identity", b"xchunked")),
    ),
    "chunk extension": [
        *accept(chunks(b"3;a\r\nabc\r\n0\r\n\r\n"), body=b"abc"),
        *accept(chunks(b'3;a="b;\\"c"\r\nabc\r\n0;d=e\r\n\r\n'), body=b"abc"),
        *refuse(400, chunks(b"3;" + b"a" * (LIMITS.max_chunk_extension_bytes + 2))),
    ],
    "chunk sizes and their lines": [
        *accept(chunks(b"003\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), target="/"),
        *refuse(
            400,
            chunks(b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
            chunks(b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
            *(
                chunks(size + b"\r\nabc\r\n0\r\n\r\n")
                for size in (b"3 ", b" 3", b"+3", b"-3", b"0x3", b"3_0", b"", b"g")
            ),
            chunks(b"3\nabc\r\n0\r\n\r\n"),
            chunks(b"0" * 16 + b"3\r\nabc\r\n0\r\n\r\n"),
            chunks(b"3\r\nabc0\r\n\r\n"),
            chunks(b"3\r\nabc\n0\r\n\r\n"),
            chunks(b"3\r\nabcd\r\n0\r\n\r\n"),
        ),
        *refuse(413, chunks(b"%x\r\n" % BIG), chunks(b"f" * 16 + b"\r\n")),
    ],
    "trailers": [
        *accept(
            chunks(b"3\r\nabc\r\n0\r\nX: y\r\nHost: b\r\n\r\n"),
            body=b"abc",
            headers={"host": "a", "transfer-encoding": "chunked"},
        ),
        *refuse(400, chunks(b"0\r\nX : y\r\n\r\n"), chunks(b"0\r\nX: \0\r\n\r\n")),
        *refuse(
            431,
            chunks(b"0\r\n" + b"A: b\r\n" * (LIMITS.max_header_fields + 1)),
            chunks(b"0\r\nA: " + b"b" * LIMITS.max_header_bytes),
        ),
    ],
    "the request line": refuse(
        400,
        *(
            line(text)
            for text in (
                *(b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET\t/ HTTP/1.1"),
                *(b"GET / HTTP/1.1 ", b"GET /a b HTTP/1.1", b"GET /\x01 HTTP/1.1"),
                *(
                    b"GET /\x7f HTTP/1.1",
                    b"GET /\xc3\xa9 HTTP/1.1",
                    b"GET /#a HTTP/1.1",
                ),
            )
        ),
    ),
    "methods": [
        *accept(line(b"BREW / HTTP/1.1"), method="BREW"),
        *accept(line(b"M-SEARCH / HTTP/1.1"), method="M-SEARCH"),
        *refuse(400, line(b"G(T / HTTP/1.1"), line(b"G\xe9T / HTTP/1.1")),
    ],
    "target forms": [
        *accept(line(b"GET /a?b=c HTTP/1.1"), target="/a?b=c"),
        *accept(
            line(b"GET http://b:80/c?d HTTP/1.1"),
            target="/c?d",
            headers={"host": "b:80"},
        ),
        *accept(line(b"OPTIONS * HTTP/1.1"), target="*"),
        *refuse(501, line(b"CONNECT b:443 HTTP/1.1")),
        *refuse(
            400,
            *(
                line(text)
                for text in (
                    *(b"GET * HTTP/1.1", b"GET b:80 HTTP/1.1", b"CONNECT / HTTP/1.1"),
                    *(b"GET b HTTP/1.1", b"GET ftp://b/ HTTP/1.1", b"GET ?a HTTP/1.1"),
                    b"GET http:///a HTTP/1.1",
                )
            ),
        ),
    ],
    "Host": [
        *accept(
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            headers={"connection": "keep-alive"},
        ),
        *refuse(
            400,
            b"GET / HTTP/1.1\r\n\r\n",
            get(b"Host: a"),
            get(b"host: b"),
            *(
                b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host
                for host in (b"a b", b"a/b", b"u@a", b"a:b", b"[::1", b"\xe9", b"a%4")
            ),
        ),
    ],
    "HTTP/1.2 to 1.9": [
        *accept(line(b"GET / HTTP/1.2"), version=(1, 1)),
        *accept(line(b"GET / HTTP/1.9"), version=(1, 1)),
        *refuse(400, b"GET / HTTP/1.2\r\n\r\n"),
    ],
    "another major version": refuse(
        505,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        line(b"GET / HTTP/2.0"),
        line(b"GET / HTTP/0.9"),
        line(b"GET / HTTP/3.1"),
    ),
    "malformed versions": refuse(
        400,
        b"GET /\r\n",
        *(
            line(b"GET / " + version)
            for version in (b"http/1.1", b"HTTP/11", b"HTTP/01.1", b"HTTP/1.", b"X/1.1")
        ),
    ),
    "a target over the limit": [
        *accept(line(b"GET /%b HTTP/1.1" % (b"a" * 7999)), target="/" + "a" * 7999),
        *refuse(
            414,
            b"GET /" + b"a" * LIMITS.max_target_bytes,
            line(b"GET /%b HTTP/1.1" % (b"a" * LIMITS.max_target_bytes)),
        ),
    ],
    "a header section over the limit": refuse(
        431,
        get(*[b"A: b"] * LIMITS.max_header_fields),
        get(b"A: " + b"b" * LIMITS.max_header_bytes),
        b"GET / HTTP/1.1\r\nA: " + b"b" * LIMITS.max_header_bytes,
    ),
    "bytes that cannot begin a request": refuse(
        400, b"\x16\x03\x01\x02\x00", b"\x80\x2e", b"\0", b"SSH-2.0-x\r\n", b"{", b" "
    ),
    "another expectation": refuse(
        417, get(b"Expect: x"), get(b"Expect: 100-continue, x"), get(b"Expect: 100")
    ),
    "Expect in 1.0": accept(
        line(
            b"PUT / HTTP/1.0",
            b"Connection: keep-alive",
            b"Expect: x",
            b"Content-Length: 1",
        )
        + b"a",
        body=b"a",
    ),
    "any method with a body": [
        *accept(line(b"GET / HTTP/1.1", b"Content-Length: 3") + b"abc", body=b"abc"),
        *accept(line(b"DELETE / HTTP/1.1", b"Content-Length: 3") + b"abc", body=b"abc"),
        *accept(
            line(b"GET / HTTP/1.1", b"Transfer-Encoding: chunked")
            + b"1\r\nx\r\n0\r\n\r\n",
            body=b"x",
        ),
    ],
}
