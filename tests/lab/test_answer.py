"""A response, whose end is told in one of several ways."""

import pytest

from lab.load.answer import Answer, MalformedError

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("whole", "framing"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello", "length"),
        (HEAD + b"content-length:0\r\n\r\n", "length"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", "chunked"),
        (CHUNKED + b"A;x=y\r\n0123456789\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n", "chunked"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "none"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "none"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 1\r\n\r\nx",
            "length",
        ),
    ],
)
def test_it_is_whole_with_its_last_byte_wherever_it_is_cut(
    whole: bytes, framing: str
) -> None:
    for cut in range(1, len(whole)):
        answer = Answer()
        assert not answer.add(whole[:cut]), whole[:cut]
        assert answer.add(whole[cut:])
        assert answer.framing == framing
    once = Answer()
    assert once.take(whole + b"HTTP/1.1 next") == b"HTTP/1.1 next"
    assert once.whole


def test_the_end_of_the_connection_ends_it_where_nothing_else_does() -> None:
    answer = Answer()
    assert not answer.add(HEAD + b"\r\nhel")
    assert not answer.add(b"lo")
    assert answer.end()
    assert answer.closes
    assert answer.total == len(HEAD) + 2 + 5


@pytest.mark.parametrize("cut", [HEAD + b"Content-Length: 5\r\n\r\nhell", CHUNKED])
def test_and_does_not_where_more_was_promised(cut: bytes) -> None:
    answer = Answer()
    answer.add(cut)
    assert not answer.end()


def test_what_answers_a_head_has_no_body() -> None:
    answer = Answer(bodiless=True)
    assert answer.add(HEAD + b"Content-Length: 5\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (HEAD, False),
        (HEAD + b"Connection: close\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", False),
    ],
)
def test_whether_the_server_closes(head: bytes, closes: bool) -> None:
    answer = Answer()
    assert answer.add(head + b"Content-Length: 0\r\n\r\n")
    assert answer.closes is closes


def test_what_came_before_the_answer_is_remembered() -> None:
    answer = Answer()
    answer.add(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n")
    assert answer.interim == [100]
    assert answer.status == b"200"


@pytest.mark.parametrize(
    "nonsense", [b"220 mail\r\n\r\n", CHUNKED + b"no size\r\n", b"x" * 70_000]
)
def test_what_is_no_answer(nonsense: bytes) -> None:
    with pytest.raises(MalformedError):
        Answer().add(nonsense)
