"""Hypothesis strategies for requests, good, unusual and damaged."""

from hypothesis import strategies as st

# Bytes that mean something somewhere in a request, and some that may stand nowhere.
TELLING = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b'"', b"/", b"*", b"#"),
    *(b"\x00", b"\x0b", b"\x7f", b"\x80", b"\xff", b"0", b"1", b"a", b"A", b"\r\n\r\n"),
    *(b"chunked", b"close", b"HTTP/1.1", b"Host: b\r\n", b"Content-Length: 1\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"GET / HTTP/1.1\r\n",
    ),
    *(b"Expect: 100-continue\r\n", b"0\r\n\r\n"),
]

METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"BREW"])
TARGETS = st.sampled_from(
    [b"/", b"/a?b=c", b"/%20|", b"*", b"http://b/c", b"https://b", b"b:80", b"/" * 40]
)
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2"])
OTHER_FIELDS = st.sampled_from(
    [
        b"Accept: */*\r\n",
        b"X:\r\n",
        b"X: \xe9\t \r\n",
        b"host-x: y\r\n",
        b"Connection: keep-alive\r\n",
        b"connection: Upgrade, close\r\n",
        b"Connection: close\r\n",
        b"Cookie: a=1\r\n",
        b"Cookie: b=2\r\n",
        b"Expect: 100-continue\r\n",
    ]
)
HOSTS = st.sampled_from([b"Host: a\r\n", b"host:b:80\r\n", b"HOST: [::1] \r\n"])


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A field that says how long a body is, and the body."""
    content = draw(st.binary(max_size=20))
    match draw(st.sampled_from(["none", "none", "length", "chunks"])):
        case "none":
            return b"", b""
        case "length":
            return b"Content-Length: %d\r\n" % len(content), content
    chunks = b""
    extensions = st.sampled_from([b"", b"", b";a=b", b';a="b\\"c ";d'])
    while content:
        size = draw(st.integers(1, len(content)))
        chunks += b"%x%b\r\n%b\r\n" % (size, draw(extensions), content[:size])
        content = content[size:]
    trailers = draw(st.sampled_from([b"", b"", b"T: a\r\n", b"T:\r\nU: b\r\n"]))
    chunks += b"0%b\r\n%b\r\n" % (draw(extensions), trailers)
    return b"Transfer-Encoding: chunked\r\n", chunks


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A request that is whole and well-formed, and nearly always allowed."""
    framing, body = draw(bodies())
    fields = [draw(HOSTS), *draw(st.lists(OTHER_FIELDS, max_size=4)), framing]
    line = b"%b %b %b\r\n" % (draw(METHODS), draw(TARGETS), draw(VERSIONS))
    empty_line = draw(st.sampled_from([b"", b"", b"", b"\r\n"]))
    return empty_line + line + b"".join(draw(st.permutations(fields))) + b"\r\n" + body


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """These bytes with a few taken out, put in or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.sampled_from([0, 0, 1, 1, 2, 8])))
        data = data[:begin] + draw(st.sampled_from([b"", *TELLING])) + data[end:]
    return data


# What a connection may bring: one or two requests, as they should be or damaged.
WELL_FORMED = st.lists(messages(), min_size=1, max_size=2).map(b"".join)
ANYTHING = st.one_of(WELL_FORMED, WELL_FORMED.flatmap(damaged))
