"""How the bytes are cut makes no difference."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from steps.http11 import Limits
from tests.http11.messages import ANYTHING
from tests.http11.reading import (
    BROWSER_GET,
    CHUNKED,
    GET,
    essence,
    every_byte,
    get,
    read,
    read_in_step09,
    requests_in,
)

# Limits that small messages come up against.
TIGHT = Limits(
    max_target_bytes=12,
    max_header_bytes=60,
    max_header_fields=3,
    max_body_bytes=12,
    max_chunk_extension_bytes=4,
)


@st.composite
def cut(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    data = draw(ANYTHING)
    return data, draw(st.lists(st.integers(0, len(data)), max_size=8))


@settings(max_examples=600, deadline=None)
@given(cut())
@example((GET + BROWSER_GET, [3, len(GET) + 5]))
@example((CHUNKED + b"1;a\r\nb\r\n0\r\n\r\n" + GET, [len(CHUNKED) + 2]))
@example((b"\r\n" + GET, [1]))
def test_any_cut_gives_the_same(case: tuple[bytes, list[int]]) -> None:
    data, cuts = case
    for limits in Limits(), TIGHT:
        whole = essence(read(data, limits=limits))
        assert essence(read(data, cuts, limits)) == whole
        assert essence(read(data, every_byte(data), limits)) == whole
        wanted = requests_in(read(data, limits=limits))
        for some in (), cuts, every_byte(data):
            assert requests_in(read_in_step09(data, some, limits)) == wanted


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_a_refusal_does_not_wait_for_more(data: bytes) -> None:
    """One byte makes a request hopeless; with that byte it is refused, however much of
    it comes at once, and without that byte it is not."""
    byte_by_byte = read(data, every_byte(data))
    if byte_by_byte.refused_at is not None:
        assert read(data[: byte_by_byte.refused_at - 1]).status is None
        assert read(data[: byte_by_byte.refused_at]).status == byte_by_byte.status


def test_every_single_cut_of_some_requests() -> None:
    for data in (
        get(b"Content-Length: 3") + b"abc" + GET,
        CHUNKED + b"3;a=b\r\nabc\r\n00\r\nT: x\r\n\r\n" + GET,
        b"\r\n" + BROWSER_GET + GET,
        GET + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ):
        whole = essence(read(data))
        for place in range(len(data)):
            assert essence(read(data, [place])) == whole
