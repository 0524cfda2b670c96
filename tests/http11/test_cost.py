"""Time in proportion to the bytes that come, and bounded memory, whoever sends them."""

import gc
import itertools
import re
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator

import pytest

from steps import http11
from steps.http11 import NEED_DATA, BadRequest, Gatherer, Limits, Parser, Request
from tests.http11.reading import BROWSER_GET, CHUNKED, GET, get

# So high that nothing but the time or the memory can be too much.
NO_LIMITS = Limits(*[10**12] * 5)

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


def head_with(value: bytes) -> bytes:
    return HEAD + value + b"\r\n\r\n"


# What somebody might send to keep a server busy: about `n` bytes of it.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "long method": lambda n: b"A" * n,
    "long target": lambda n: b"GET /" + b"a" * n,
    "long target of a whole head": lambda n: get(
        line=b"GET /" + b"a" * n + b" HTTP/1.1"
    ),
    "long target in absolute form": lambda n: get(
        line=b"GET http://a" + b"%aa" * (n // 3) + b"/" + b"?" * n + b" HTTP/1.1"
    ),
    "long name": lambda n: HEAD + b"X" * n,
    "long name without a colon": lambda n: head_with(b"X" * n),
    "long value": lambda n: head_with(b"X: " + b"y" * n),
    "long value that ends badly": lambda n: head_with(b"X: " + b"y" * n + b"\0"),
    "white space": lambda n: head_with(b"X:" + b" \t" * (n // 2)),
    "white space and a character": lambda n: head_with(
        b"X:" + b" \t" * (n // 2) + b"y"
    ),
    "white space that ends badly": lambda n: HEAD + b"X:" + b" \t" * (n // 2) + b"\0",
    "many CRs": lambda n: HEAD + b"X:" + b"\r" * n,
    "many fields": lambda n: HEAD + b"X:y\r\n" * (n // 5) + b"\r\n",
    "many fields that end badly": lambda n: HEAD + b"X:y\r\n" * (n // 5) + b"\0",
    "many names": lambda n: (
        HEAD + b"".join(b"X%d:y\r\n" % i for i in range(n // 9)) + b"\r\n"
    ),
    "many Hosts": lambda n: b"GET / HTTP/1.1\r\n" + b"Host: a\r\n" * (n // 9) + b"\r\n",
    "many fields like framing ones": lambda n: (
        HEAD + b"Transfer-Encodin: x\r\n" * (n // 21) + b"\r\n"
    ),
    "many Connection fields": lambda n: (
        HEAD + b"Connection: a\r\n" * (n // 15) + b"\r\n"
    ),
    "long Connection list": lambda n: head_with(b"Connection: " + b"a, " * (n // 3)),
    "long list of nothing": lambda n: head_with(b"Connection: " + b"," * n),
    "long Expect list": lambda n: head_with(b"Expect: " + b"100-continue," * (n // 13)),
    "long Transfer-Encoding list": lambda n: head_with(
        b"Transfer-Encoding: " + b"a;b=c," * (n // 6) + b"chunked"
    ),
    "long coding": lambda n: head_with(b"Transfer-Encoding: a" + b" ;" * (n // 2)),
    "long Content-Length": lambda n: head_with(b"Content-Length: " + b"9" * n),
    "long Host": lambda n: (
        b"GET / HTTP/1.0\r\nHost: " + b"%aa" * (n // 3) + b"\r\n\r\n"
    ),
    "long Host that ends badly": lambda n: (
        b"GET / HTTP/1.0\r\nHost: " + b"a" * n + b"@\r\n\r\n"
    ),
    "long extension": lambda n: CHUNKED + b"0;a" + b";a=b" * (n // 4) + b"\r\n\r\n",
    "long extension that ends badly": lambda n: CHUNKED + b"0;a=" + b"a" * n + b"(\r\n",
    "long quoted string": lambda n: (
        CHUNKED + b'0;a="' + b"\\a" * (n // 2) + b'"\r\n\r\n'
    ),
    "long quoted string without end": lambda n: (
        CHUNKED + b'0;a="' + b'\\"' * (n // 2) + b"\r\n"
    ),
    "many extensions": lambda n: CHUNKED + b"1;a\r\nx\r\n" * (n // 8) + b"0\r\n\r\n",
    "many chunks": lambda n: CHUNKED + b"1\r\nx\r\n" * (n // 6) + b"0\r\n\r\n",
    "many trailers": lambda n: CHUNKED + b"0\r\n" + b"X:y\r\n" * (n // 5) + b"\r\n",
    "long body": lambda n: get(b"Content-Length: %d" % n) + b"x" * n,
    "many requests": lambda n: GET * (n // len(GET)),
    "many requests by the long way": lambda n: get(b"Connection: x") * (n // 42),
    "many requests with a body": lambda n: (
        (get(b"Content-Length: 1") + b"x") * (n // 47)
    ),
}

every_hostile_input = pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
however_it_is_cut = pytest.mark.parametrize("piece_bytes", [1, 100, 65_536])


def consume(data: bytes, piece_bytes: int) -> None:
    """Read all, the headers too, or up to where it is refused."""
    parser = Parser(NO_LIMITS)
    try:
        for begin in range(0, len(data), piece_bytes):
            parser.feed(data[begin : begin + piece_bytes])
            while (event := parser.next_event()) is not NEED_DATA:
                if isinstance(event, Request):
                    assert event.headers is not None
    except BadRequest:
        pass


# --- Time ----------------------------------------------------------------------------


class CountingPattern:
    """A pattern that counts the bytes that it has looked at, or might have."""

    looked_at = 0

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern

    def match(
        self, data: bytes, begin: int = 0, end: int = 10**15
    ) -> re.Match[bytes] | None:
        found = self.pattern.match(data, begin, end)
        if found:
            last = found.end()
        else:  # it may have looked at all, but not beyond an empty line
            empty_line = data.find(b"\r\n\r\n", begin)
            last = min(end, len(data) if empty_line < 0 else empty_line + 4)
        CountingPattern.looked_at += last - begin + 1
        return found

    def fullmatch(self, data: bytes, begin: int, end: int) -> re.Match[bytes] | None:
        CountingPattern.looked_at += end - begin
        return self.pattern.fullmatch(data, begin, end)

    def findall(self, data: bytes) -> list[tuple[bytes, bytes]]:
        CountingPattern.looked_at += len(data)
        return self.pattern.findall(data)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[CountingPattern]:
    """Every pattern that the parser uses on bytes counts."""
    for name, value in vars(http11).items():
        if isinstance(value, http11.Part):
            monkeypatch.setattr(value, "pattern", CountingPattern(value.pattern))
        elif isinstance(value, re.Pattern) and isinstance(value.pattern, bytes):
            monkeypatch.setattr(http11, name, CountingPattern(value))
    monkeypatch.setattr(CountingPattern, "looked_at", 0)
    return CountingPattern


@every_hostile_input
@however_it_is_cut
def test_each_byte_is_looked_at_a_few_times(
    make: Callable[[int], bytes], piece_bytes: int, counted: type[CountingPattern]
) -> None:
    """By the two expressions for whole heads, part by part, by the expression for whole
    heads again, and for the fields that count: not more often for being cut."""
    data = make(8_000)
    consume(data, piece_bytes)
    assert 0 < counted.looked_at < 6 * len(data) + 100


def cpu_seconds(data: bytes, piece_bytes: int) -> float:
    begin = time.thread_time()
    consume(data, piece_bytes)
    return time.thread_time() - begin


def times_as_long_a_byte(make: Callable[[int], bytes], piece_bytes: int) -> float:
    """How many times longer a byte takes if there are 16 times as many.

    1 if time is in proportion to size, 16 if it is to the square of it. The best of
    several runs counts, in CPU time, so that a busy machine makes no difference.
    """
    small, big = make(2_000), make(32_000)
    for data in small, big:  # and twice, so that a warm-up makes none
        consume(data, piece_bytes)
    best = {small: 1.0, big: 1.0}
    ratio = 1.0
    gc.disable()
    try:
        for _ in range(10):
            for data, runs in (small, 16), (big, 1):
                begin = time.thread_time()
                for _ in range(runs):
                    consume(data, piece_bytes)
                seconds = (time.thread_time() - begin) / (runs * len(data))
                best[data] = min(best[data], seconds)
            ratio = best[big] / best[small]
            if ratio < 2:  # it will not get worse than this
                break
    finally:
        gc.enable()
    return ratio


@every_hostile_input
@pytest.mark.parametrize("piece_bytes", [100, 65_536])
def test_time_is_in_proportion_to_size(
    make: Callable[[int], bytes], piece_bytes: int
) -> None:
    assert times_as_long_a_byte(make, piece_bytes) < 4


@pytest.mark.parametrize(
    "name", ["long value", "many fields", "many chunks", "long body"]
)
def test_time_byte_by_byte_is_in_proportion_to_size(name: str) -> None:
    assert times_as_long_a_byte(HOSTILE[name], 1) < 4


def test_what_nearly_every_request_is_takes_one_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not the long way, which means the same and takes several times as long."""
    monkeypatch.delattr(http11, "_walk_head")
    monkeypatch.delattr(http11, "_understand")
    gatherer = Gatherer()
    for data in GET, BROWSER_GET, BROWSER_GET + GET, GET * 3:
        gatherer.feed(data)
        while (request := gatherer.next_request()) is not None:
            assert request.method == "GET"


# --- Memory --------------------------------------------------------------------------


@pytest.fixture
def peak_bytes() -> Iterator[Callable[[], int]]:
    """How much more memory was in use, at most, since the test began."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("begin", "more", "status"),
    [
        (b"", b"A", 501),
        (b"GET /", b"a", 414),
        (HEAD, b"X", 431),
        (HEAD + b"X:", b" ", 431),
        (HEAD, b"X:y\r\n", 431),
        (CHUNKED + b"1;a=", b"b", 400),
        (CHUNKED + b"0\r\n", b"X:y\r\n", 431),
        (CHUNKED, b"1\r\nx\r\n", 413),
        (CHUNKED, b"1;a=b\r\nx\r\n", 413),
    ],
)
def test_endless_input_is_refused_and_not_kept(
    begin: bytes, more: bytes, status: int, peak_bytes: Callable[[], int]
) -> None:
    limits = Limits(max_body_bytes=20_000)
    gatherer = Gatherer(limits)

    def feed_for_ever() -> None:
        for piece in itertools.chain([begin], itertools.repeat(more * 1000)):
            gatherer.feed(piece)
            assert gatherer.next_request() is None

    with pytest.raises(BadRequest) as refused:
        feed_for_ever()
    assert refused.value.status == status
    assert peak_bytes() < 2 * limits.max_header_bytes + 20_000


def test_a_body_of_any_size_passes_through(peak_bytes: Callable[[], int]) -> None:
    piece = b"x" * 65_536
    parser = Parser(NO_LIMITS)
    parser.feed(get(b"Content-Length: %d" % (500 * len(piece))))
    assert isinstance(parser.next_event(), Request)
    for _ in range(500):
        parser.feed(piece)
        assert parser.next_event() == piece
    assert peak_bytes() < 6 * len(piece)


def test_a_gathered_body_takes_a_few_times_its_size(
    peak_bytes: Callable[[], int],
) -> None:
    """Also if it comes as bytes, each of which would be an object of its own."""
    size = 50_000
    gatherer = Gatherer()
    gatherer.feed(CHUNKED)
    for _ in range(size // 2):
        gatherer.feed(b"2\r\nab\r\n")
        assert gatherer.next_request() is None
    gatherer.feed(b"0\r\n\r\n")
    request = gatherer.next_request()
    assert request is not None
    assert request.body == b"ab" * (size // 2)
    assert peak_bytes() < 4 * size


@pytest.mark.parametrize("last", [b"", GET, BROWSER_GET, get(b"X: y") + b"GET "])
def test_an_idle_connection_keeps_nothing(last: bytes) -> None:
    """Not the last request's body, and not its headers."""
    gatherer = Gatherer()
    tracemalloc.start()
    gatherer.feed(get(b"Content-Length: 1000000") + b"x" * 1_000_000 + last)
    while (request := gatherer.next_request()) is not None:
        del request
    in_use = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert in_use < 10_000


def test_nothing_is_remembered_of_earlier_requests(
    peak_bytes: Callable[[], int],
) -> None:
    gatherer = Gatherer()
    for number in range(2_000):
        gatherer.feed(BROWSER_GET.replace(b"page=1", b"page=%d" % number))
        request = gatherer.next_request()
        assert request is not None
        assert request.headers
    assert peak_bytes() < 100_000


def test_what_comes_after_a_bad_request_is_not_kept(
    peak_bytes: Callable[[], int],
) -> None:
    parser = Parser()
    for _ in range(100):
        parser.feed(b"\0" * 20_000)
        with pytest.raises(BadRequest):
            parser.next_event()
    assert peak_bytes() < 200_000


def test_what_comes_after_the_last_request_is_not_kept(
    peak_bytes: Callable[[], int],
) -> None:
    gatherer = Gatherer()
    gatherer.feed(get(b"Connection: close"))
    assert gatherer.next_request() is not None
    for _ in range(100):
        gatherer.feed(GET * 1000)
        assert gatherer.next_request() is None
    assert peak_bytes() < 200_000


def test_a_closed_connection_is_freed_at_once() -> None:
    """No parser is part of a cycle that the garbage collector would have to find."""
    gc.disable()
    try:
        for data in b"", GET, CHUNKED + b"1\r\n", HEAD, b"\0":
            gatherer = Gatherer()
            gatherer.feed(data)
            try:
                gatherer.next_request()
            except BadRequest as error:
                error.__traceback__ = None  # which holds the frames
            parser = weakref.ref(gatherer)
            events = weakref.ref(gatherer._events)
            del gatherer
            assert parser() is None
            assert events() is None
    finally:
        gc.enable()
