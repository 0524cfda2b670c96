"""What is sent: status line, header section, and body where one is allowed."""

import email.utils
import time
from collections.abc import Sequence

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps import http11
from steps.http11 import Request, Response

GET = Request("GET", "/")
HEAD = Request("HEAD", "/")
OLD_GET = Request("GET", "/", version=(1, 0))


def parsed(
    data: bytes, method: str = "GET"
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The status, fields and body that a client understands."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    client.receive_data(b"")
    head = client.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return head.status_code, head.headers.raw_items(), body


def fields(response: Response, request: Request | None, keep: bool) -> dict[str, str]:
    lines = response.encode_head(request, keep).decode("latin-1").split("\r\n")
    assert lines[-2:] == ["", ""]
    pairs = [line.split(": ", 1) for line in lines[1:-2]]
    assert len({name for name, _ in pairs}) == len(pairs)
    return {name: value for name, value in pairs}  # noqa: C416 - pairs are lists


def test_the_bytes_of_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 784111777.9)  # 9110 §5.6.7's example
    response = Response(200, b"hello", [("Content-Type", "text/plain")])
    assert response.encode(GET, keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\n"
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Content-Length: 5\r\n"
        b"Content-Type: text/plain\r\n"
        b"\r\n"
        b"hello"
    )


@pytest.mark.parametrize("request_", [GET, HEAD, OLD_GET, None])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("status", [200, 204, 304, 404])
def test_head_and_body_are_the_whole(
    status: int,
    keep: bool,
    request_: Request | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 784111777.9)
    response = Response(status, b"hello", [("A", "b")])
    two = response.encode_head(request_, keep), response.encode_body(request_)
    assert b"".join(two) == response.encode(request_, keep)


def test_a_client_understands_it() -> None:
    response = Response(200, b"x" * 100_000, [("X", "\xe9\t1"), ("Y", "")])
    status, headers, body = parsed(response.encode(GET, keep_alive=True))
    assert status == 200
    assert (b"X", b"\xe9\t1") in headers
    assert (b"Y", b"") in headers
    assert body == b"x" * 100_000


def test_content_length_is_always_there() -> None:
    assert fields(Response(200), GET, True)["Content-Length"] == "0"
    assert fields(Response(404, b"abc"), None, False)["Content-Length"] == "3"


def test_head_has_the_length_and_not_the_body() -> None:
    response = Response(200, b"hello")
    data = response.encode(HEAD, keep_alive=True)
    assert data == response.encode_head(GET, keep_alive=True)
    assert b"\r\nContent-Length: 5\r\n" in data
    assert parsed(data, "HEAD")[2] == b""


@pytest.mark.parametrize("status", [100, 101, 199, 204, 304])
def test_statuses_without_a_body(status: int) -> None:
    response = Response(status, b"hello")
    assert response.encode(GET, keep_alive=True).endswith(b"\r\n\r\n")
    assert response.encode_body(GET) == b""
    assert "Content-Length" not in fields(response, GET, True)


@pytest.mark.parametrize(
    ("request_", "keep", "connection"),
    [
        (GET, True, None),
        (GET, False, "close"),
        (OLD_GET, True, "keep-alive"),
        (OLD_GET, False, "close"),
        (None, False, "close"),
    ],
)
def test_what_is_said_about_the_connection(
    request_: Request | None, keep: bool, connection: str | None
) -> None:
    assert fields(Response(200), request_, keep).get("Connection") == connection


def test_the_date_follows_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for second in 0, 951_782_400, 951_782_400, 951_782_401, 4_102_444_800:
        monkeypatch.setattr(time, "time", lambda now=second: now + 0.5)
        date = fields(Response(200), GET, True)["Date"]
        assert email.utils.parsedate_to_datetime(date).timestamp() == second


def test_the_date_is_made_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def formatdate(second: float, usegmt: bool) -> str:
        made.append(second)
        return email.utils.formatdate(second, usegmt=usegmt)

    monkeypatch.setattr(http11, "formatdate", formatdate)
    for tenths in range(1_000_000, 1_000_030):
        monkeypatch.setattr(time, "time", lambda now=tenths / 10: now)
        Response(200).encode(GET, True)
    assert made == [100_000, 100_001, 100_002]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (413, b"HTTP/1.1 413 Content Too Large\r\n"),
        (414, b"HTTP/1.1 414 URI Too Long\r\n"),
        (431, b"HTTP/1.1 431 Request Header Fields Too Large\r\n"),
        (505, b"HTTP/1.1 505 HTTP Version Not Supported\r\n"),
        (299, b"HTTP/1.1 299 \r\n"),  # §4: the space stays when there is no reason
    ],
)
def test_status_line(status: int, line: bytes) -> None:
    assert Response(status).encode_head(GET, True).startswith(line)
    parsed(Response(status).encode(GET, True))


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\r\n", "\r\nX: y", "\x7f", "\x01"])
def test_line_ends_and_control_characters_are_refused(bad: str) -> None:
    for name, value in [
        ("X", f"a{bad}b"),
        ("X", bad),
        ("X", f"a{bad}"),
        (f"X{bad}", "a"),
    ]:
        with pytest.raises(ValueError, match="header"):
            Response(200, b"", [("A", "b"), (name, value)])


@pytest.mark.parametrize("name", ["", "X ", " X", "X:", "X Y", "é", '"', "X: y"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Response(200, b"", [(name, "a")])


@pytest.mark.parametrize("value", ["\u0100", "\u2028", "☺"])
def test_values_that_no_byte_stands_for_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Response(200, b"", [("X", value)])


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "content-length", "TRANSFER-ENCODING", "Connection", "date"],
)
def test_fields_that_are_the_servers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Response(200, b"", [(name, "5")])
    Response(200, b"", [(f"{name}-X", "5"), (f"X-{name}", "5")])


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(max_codepoint=260), max_size=5),
            st.text(st.characters(max_codepoint=260), max_size=8),
        ),
        max_size=3,
    )
)
def test_no_header_can_add_a_line(headers: Sequence[tuple[str, str]]) -> None:
    """Either it is refused, or a client sees these fields and no others."""
    try:
        response = Response(200, b"hello", headers)
    except ValueError:
        return
    _, seen, body = parsed(response.encode(GET, keep_alive=True))
    sent = [
        (name.encode(), value.strip(" \t").encode("latin-1")) for name, value in headers
    ]
    assert seen[2:] == sent
    assert [name for name, _ in seen[:2]] == [b"Date", b"Content-Length"]
    assert body == b"hello"
