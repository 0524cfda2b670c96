"""Step 12 serves any WSGI application, as PEP 3333 says, in the loop and in workers."""

import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from wsgiref.validate import validator

import h11
import psutil
import pytest
import requests

from steps.step12.settings import Settings
from steps.step12.wsgi import load
from tests.steps.harness import (
    DEADLINE_S,
    Answer,
    Client,
    Process,
    Running,
    request_bytes,
    serving,
    threads_in,
    wait_until,
)

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Any]
Serve = Callable[..., AbstractContextManager[Running]]

TEXT = [("Content-Type", "text/plain")]
MEGABYTE = 1_000_000


@pytest.fixture(params=["step12", "step12-0"])
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(step: str, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A server of an application; always with an access log, which sees all pieces."""

    @contextmanager
    def start(application: Application, **options: Any) -> Iterator[Running]:
        monkeypatch.setattr("steps.step12.server.load", lambda name: application)
        settings = Settings(wsgi="the:application", access_log=True, **options)
        with serving(step, settings=settings) as server:
            yield server
            server._clients.close()  # a drain gives those that are idle half a second

    return start


class Reader:
    """Reads answers with a parser that this project has not written."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._rest = b""

    def begin(self, method: str = "GET") -> Answer:
        """Read a head."""
        self._h11 = h11.Connection(h11.CLIENT)
        self._h11.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        self._h11.send(h11.EndOfMessage())
        if self._rest:
            self._h11.receive_data(self._rest)
            self._rest = b""
        head = self._next()
        assert isinstance(head, h11.Response), head
        headers: dict[str, str] = {}
        for name, value in head.headers:
            key = name.decode()
            assert key not in headers or key == "set-cookie", f"{key} twice"
            headers[key] = value.decode("latin-1")
        return Answer(head.status_code, headers, b"")

    def piece(self) -> bytes | None:
        """A piece of the body, or None at its end."""
        event = self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event
        self._rest = self._h11.trailing_data[0]
        return None

    def _next(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(self.client.receive_some())
        return event

    def receive(self, method: str = "GET") -> Answer:
        head = self.begin(method)
        body = b"".join(iter(self.piece, None))
        return Answer(head.status, head.headers, body)

    def ask(self, target: str = "/", *fields: str, **more: Any) -> Answer:
        self.client.send(request_bytes(target, *fields, **more))
        return self.receive(more.get("method", "GET"))

    def expect_end(self) -> None:
        assert not self._rest
        self.client.expect_end()


def answers(server: Running) -> bool:
    """A new client is answered by an application that knows /ok."""
    return Reader(server.client()).ask("/ok").body == b"ok"


def with_ok(application: Application) -> Application:
    """The same, and it knows /ok."""

    def wrapped(environ: Environ, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/ok":
            start_response("200 OK", TEXT)
            return [b"ok"]
        return application(environ, start_response)

    return wrapped


class Body:
    """An iterable that counts how often it is closed."""

    def __init__(self, pieces: Iterable[Any], on_close: Any = None) -> None:
        self._pieces = pieces
        self._on_close = on_close
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pieces)

    def close(self) -> None:
        self.closed += 1
        if self._on_close:
            self._on_close()


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


# --- The request ---------------------------------------------------------------------


def telling(environ: Environ, start_response: Any) -> Any:
    """Tell what was asked."""
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    told["body"] = environ["wsgi.input"].read(-1)
    body = repr(told).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def told(answer: Answer) -> Environ:
    assert answer.status == 200, answer
    found = eval(answer.body, {})
    assert isinstance(found, dict)
    return found


def test_the_validator_has_no_objection(
    serve: Serve, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(validator(telling)) as server:
        reader = Reader(server.client())
        for target, fields, more in (
            ("/", (), {}),
            ("/a%20b;c?d=%20e&f", ("Cookie: a=b; c=d",), {}),
            ("//", ("X: 1", "X: 2", "x-y: \xe4"), {}),
            ("http://other/path", (), {}),
            ("/", (), {"method": "POST", "body": b"a" * 200_000}),
            ("/", ("Content-Type: text/plain; charset=x",), {"method": "PUT"}),
            ("/", ("Content-Length: 0",), {"method": "DELETE"}),
            ("*", (), {"method": "OPTIONS"}),
            ("/", ("Connection: keep-alive",), {"version": "1.0"}),
            ("/", (), {"method": "HEAD"}),
        ):
            answer = reader.ask(target, *fields, **more)
            assert answer.status == 200, (target, fields, caplog.text)
        chunked = request_bytes("/", "Transfer-Encoding: chunked", method="POST")
        reader.client.send(chunked + b"3\r\nabc\r\n0\r\n\r\n" + request_bytes() * 3)
        assert told(reader.receive())["body"] == b"abc"
        assert [reader.receive().status for _ in range(3)] == [200] * 3
    assert errors_in(caplog) == []
    assert "Iterator garbage collected" not in capsys.readouterr().err


def test_what_the_environ_says(serve: Serve) -> None:
    with serve(telling) as server:
        reader = Reader(server.client())
        environ = told(
            reader.ask(
                "/caf%C3%A9%2F%?a=%20&b",
                "Content-Type: text/plain",
                "X-Twice: a",
                "x-twice:  b ",
                "X_Hidden: c",
                "Proxy: http://evil",
                "Transfer_Encoding: gzip",
                method="POST",
                body=b"four",
            )
        )
        assert environ.pop("body") == b"four"
        assert environ == {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/caf\xc3\xa9/%",  # bytes, in the letters of Latin-1
            "QUERY_STRING": "a=%20&b",
            "CONTENT_TYPE": "text/plain",
            "CONTENT_LENGTH": "4",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(server.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_X_TWICE": "a, b",
            "wsgi.url_scheme": "http",
        }
        environ = told(
            reader.ask("http://elsewhere/x", "Connection: keep-alive", version="1.0")
        )
        assert environ["HTTP_HOST"] == "elsewhere"
        assert environ["PATH_INFO"] == "/x"
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
        assert "CONTENT_LENGTH" not in environ
        assert told(reader.ask())["PATH_INFO"] == "/"  # nothing is left of the others


def test_whether_there_are_threads(serve: Serve, step: str) -> None:
    seen: list[Environ] = []

    def keeping(environ: Environ, start_response: Any) -> Any:
        environ["mine"] = "alone"
        seen.append(environ)
        start_response("200 OK", TEXT)
        return []

    with serve(keeping) as server:
        reader = Reader(server.client())
        assert [reader.ask().body, reader.ask().body] == [b"", b""]
    assert [environ["wsgi.multithread"] for environ in seen] == [step == "step12"] * 2
    assert seen[0] is not seen[1]
    for environ in seen:
        assert environ["wsgi.version"] == (1, 0)
        assert environ["wsgi.errors"] is sys.stderr
        assert not environ["wsgi.multiprocess"]
        assert not environ["wsgi.run_once"]


# --- wsgi.input ----------------------------------------------------------------------

READS: dict[str, Callable[[Any], bytes]] = {
    "not at all": lambda stream: b"",
    "read()": lambda stream: stream.read(),
    "read(5)": lambda stream: stream.read(5),
    "read(10**9)": lambda stream: stream.read(10**9),
    "by sevens": lambda stream: b"".join(iter(lambda: stream.read(777), b"")),
    "readline()": lambda stream: stream.readline(),
    "readline(3)": lambda stream: stream.readline(3),
    "readlines()": lambda stream: b"".join(stream.readlines()),
    "readlines(20)": lambda stream: b"".join(stream.readlines(20)),
    "iteration": lambda stream: b"".join(stream),
    "beyond the end": lambda stream: stream.read() + stream.read() + stream.read(1),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("count", [0, 3, 40_000], ids=["none", "short", "long"])
def test_bodies_are_read_in_every_way(serve: Serve, count: int, chunked: bool) -> None:
    """And whatever was left unread is not taken for the next request."""
    body = b"".join(b"line %d\n" % number for number in range(count))

    def reading(environ: Environ, start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH", 0))
        read = READS[environ["QUERY_STRING"].replace("_", " ")]
        start_response("200 OK", [*TEXT, ("X-Length", str(length))])
        return [read(environ["wsgi.input"])]

    with serve(reading) as server:
        reader = Reader(server.client())
        for name, read in READS.items():
            target = "/?" + name.replace(" ", "_")
            if chunked:
                data = request_bytes(target, "Transfer-Encoding: chunked")
                for at in range(0, len(body), 9999):
                    piece = body[at : at + 9999]
                    data += b"%x\r\n%b\r\n" % (len(piece), piece)
                data += b"0\r\n\r\n"
            else:
                data = request_bytes(target, body=body)
            reader.client.send(data + request_bytes("/?not_at_all"))
            answer = reader.receive()
            assert answer.body == read(io.BytesIO(body)), name
            assert answer.headers["x-length"] == str(len(body))
            assert reader.receive().body == b""  # the next


def large_uploads(environ: Environ, start_response: Any) -> Any:
    """For the process below."""
    stream, size = environ["wsgi.input"], 0
    while piece := stream.read(65_536):
        size += len(piece)
    start_response("200 OK", TEXT)
    return [f"{size} {environ.get('CONTENT_LENGTH')}".encode()]


@pytest.mark.parametrize("workers", ["0", "4"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_of_200_megabytes_takes_no_memory(
    workers: str, chunked: bool
) -> None:
    size = 200 * MEGABYTE
    flags = ["--workers", workers, "--max-body-bytes", str(size)]
    wsgi = ["--wsgi", "tests.steps.test_wsgi:large_uploads"]
    with Process("step12", *wsgi, *flags) as process, Client() as client:
        client.connect(process.listening_port())
        reader = Reader(client)
        assert reader.ask("/", method="POST", body=b"a").body == b"1 1"
        memory = psutil.Process(process.popen.pid).memory_info
        before = most = memory().rss
        if chunked:
            client.send(request_bytes("/", "Transfer-Encoding: chunked", method="POST"))
            frame: tuple[bytes, bytes] = (b"%x\r\n" % MEGABYTE, b"\r\n")
        else:
            client.send(request_bytes("/", f"Content-Length: {size}", method="POST"))
            frame = (b"", b"")
        data = bytes(MEGABYTE).join(frame)
        for _ in range(200):
            client.send(data)
            most = max(most, memory().rss)
        if chunked:
            client.send(b"0\r\n\r\n")
        assert reader.receive().body == b"%d %d" % (size, size)
        most = max(most, memory().rss)
        assert most - before < 10 * MEGABYTE
        assert reader.ask("/", method="POST", body=b"a").body == b"1 1"


# --- An answer in pieces -------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_pieces_arrive_as_they_are_made(serve: Serve, version: str) -> None:
    turns = [threading.Event() for _ in range(3)]

    def numbers(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"first"
        for turn in turns:
            yield b""  # nothing to say: not the end
            assert turn.wait(DEADLINE_S)
            yield b"another"

    with serve(numbers) as server:
        reader = Reader(server.client())
        reader.client.send(request_bytes("/", version=version))
        head = reader.begin()
        assert "content-length" not in head.headers
        if version == "1.1":
            assert head.headers["transfer-encoding"] == "chunked"
            assert "connection" not in head.headers
        else:
            assert "transfer-encoding" not in head.headers
            assert head.headers["connection"] == "close"
        assert reader.piece() == b"first"
        for turn in turns:
            turn.set()
            assert reader.piece() == b"another"
        assert reader.piece() is None
        if version == "1.1":
            assert len(reader.ask().body) == 26
        else:
            reader.expect_end()


@pytest.mark.parametrize("kind", [list, tuple, iter, Body])
@pytest.mark.parametrize("size", [0, 1, 100_000])
@pytest.mark.parametrize("announced", [False, True], ids=["", "announced"])
def test_a_body_of_every_shape(
    serve: Serve, kind: Any, size: int, announced: bool
) -> None:
    def shaped(environ: Environ, start_response: Any) -> Any:
        headers = [*TEXT]
        if announced:
            headers.append(("Content-Length", str(size * count)))
        start_response("200 OK", headers)
        return kind([b"x" * size] * count)

    known = announced or kind in (list, tuple)
    with serve(shaped) as server:
        reader = Reader(server.client())
        for count in 0, 1, 3:
            answer = reader.ask()
            assert answer.body == b"x" * size * count
            if known or not answer.body:
                assert answer.headers["content-length"] == str(len(answer.body))
            else:
                assert answer.headers["transfer-encoding"] == "chunked"
        answer = reader.ask("/", "Connection: keep-alive", version="1.0")
        assert answer.body == b"x" * size * count
        if known or not answer.body:
            assert answer.headers["connection"] == "keep-alive"
            reader.ask("/", version="1.0")
        reader.expect_end()


@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")],
)
@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("by_write", [False, True], ids=["", "write()"])
def test_where_no_body_is_allowed(
    serve: Serve, method: str, status: str, kind: Any, by_write: bool
) -> None:
    """What is returned all the same is not sent, and nothing is out of step."""

    def wordy(environ: Environ, start_response: Any) -> Any:
        headers = [("Content-Length", length)] if length else []
        write = start_response(status, headers)
        if by_write:
            write(b"12345")
            return []
        return kind([b"123", b"45"])

    with serve(wordy) as server:
        reader = Reader(server.client())
        for length in "5", "7", None, None:
            answer = reader.ask("/", method=method)
            assert (answer.status, answer.body) == (int(status[:3]), b"")
            expected = length if method == "HEAD" else None
            assert answer.headers.get("content-length") == expected
            assert "transfer-encoding" not in answer.headers


@pytest.mark.parametrize("length", ["15", None])
def test_write_and_then_an_iterable(serve: Serve, length: Any) -> None:
    turn = threading.Event()

    def writing(environ: Environ, start_response: Any) -> Any:
        headers = [("Content-Length", length)] if length else []
        write = start_response("200 OK", headers)
        write(b"first")
        if environ["PATH_INFO"] == "/wait":
            assert turn.wait(DEADLINE_S)
        write(b"")
        write(b"secnd")
        return [b"th", b"ird"] if environ["QUERY_STRING"] else iter([b"th", b"ird"])

    with serve(writing) as server:
        reader = Reader(server.client())
        reader.client.send(request_bytes("/wait"))
        reader.begin()
        assert reader.piece() == b"first"  # it is sent at once
        turn.set()
        assert b"".join(iter(reader.piece, None)) == b"secndthird"
        for target in "/?list", "/":
            answer = reader.ask(target)
            assert answer.body == b"firstsecndthird"
            assert answer.headers.get("content-length") == length


# --- start_response() ----------------------------------------------------------------


def a_500(reader: Reader, target: str = "/") -> bool:
    """Twice on one connection: it is still in step."""
    for _ in range(2):
        answer = reader.ask(target)
        assert answer.status == 500, answer
        assert b"Traceback" not in answer.body
    return True


def test_a_second_start_response_replaces_the_first_with_exc_info(
    serve: Serve,
) -> None:
    def changing(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [("X-First", "1"), ("Content-Length", "99")])
        try:
            raise RuntimeError("later")
        except RuntimeError:
            start_response("503 Sorry", [("X-Second", "2")], sys.exc_info())
        return [b"sorry"]

    with serve(changing) as server:
        reader = Reader(server.client())
        for _ in range(2):
            answer = reader.ask()
            assert (answer.status, answer.body) == (503, b"sorry")
            assert answer.headers["x-second"] == "2"
            assert answer.headers["content-length"] == "5"
            assert "x-first" not in answer.headers


@pytest.mark.parametrize("by_write", [False, True], ids=["", "write()"])
def test_exc_info_after_the_head_was_sent(
    serve: Serve, by_write: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is raised again, so that the application ends."""
    went_on: list[bool] = []

    def failing(start_response: Any) -> None:
        try:
            raise LookupError("too late")
        except LookupError:
            start_response("500 Error", [], sys.exc_info())
        went_on.append(True)

    def writing(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)(b"begun")
        failing(start_response)
        return []

    def yielding(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"begun"
        failing(start_response)

    with serve(with_ok(writing if by_write else yielding)) as server:
        is_cut_off(server, b"begun")
        assert answers(server)
    assert not went_on
    assert any("LookupError" in (r.exc_text or "") for r in caplog.records)


def is_cut_off(server: Running, begun: bytes, target: str = "/") -> None:
    """The client sees that more was due, and its next request is not answered."""
    reader = Reader(server.client())
    reader.client.send(request_bytes(target) + request_bytes("/ok"))
    reader.begin()
    got: list[bytes] = []
    with pytest.raises(h11.RemoteProtocolError, match="without sending complete"):
        got.extend(iter(reader.piece, None))
    assert b"".join(got) == begun


def call_twice(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"body"]


def call_never(environ: Environ, start_response: Any) -> Any:
    return [b"body"]


def call_never_and_yield(environ: Environ, start_response: Any) -> Any:
    yield b"body"


def call_never_and_return_none(environ: Environ, start_response: Any) -> Any:
    return None


def return_none(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)


def return_a_str(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return ["text"]


def return_a_long_str(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return ["text" * 10_000]


def yield_a_long_str(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    yield "text" * 10_000


def yield_an_int(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    yield 7


def write_a_str(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)("text")
    return []


def raise_at_once(environ: Environ, start_response: Any) -> Any:
    raise RuntimeError("the application's own bug")


def raise_after_start(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    raise RuntimeError("the application's own bug")


def raise_before_the_first_piece(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    yield b""
    raise RuntimeError("the application's own bug")


def exit_the_process(environ: Environ, start_response: Any) -> Any:
    sys.exit(3)


def exit_the_process_lazily(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    yield b""
    sys.exit(3)


def swallow_the_refusal(environ: Environ, start_response: Any) -> Any:
    try:
        start_response("200 OK", [("X", "a\nb")])
    except ValueError:
        pass
    return [b"body"]


def promise_too_much(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"four"]


def promise_and_return_nothing(environ: Environ, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "5")])
    return []


@pytest.mark.parametrize(
    "application",
    [
        call_twice,
        call_never,
        call_never_and_yield,
        call_never_and_return_none,
        return_none,
        return_a_str,
        return_a_long_str,
        yield_a_long_str,
        yield_an_int,
        write_a_str,
        raise_at_once,
        raise_after_start,
        raise_before_the_first_piece,
        exit_the_process,
        exit_the_process_lazily,
        swallow_the_refusal,
        promise_too_much,
        promise_and_return_nothing,
    ],
)
def test_what_fails_before_anything_was_sent_is_a_500(
    serve: Serve, application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(with_ok(application)) as server:
        reader = Reader(server.client())
        assert a_500(reader)
        assert reader.ask("/ok").body == b"ok"
    assert errors_in(caplog) == ["GET / failed"] * 2


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nX: y", []),
        ("200 OK\n", []),
        ("200 \0", []),
        ("200 \u20ac", []),
        ("200", []),
        ("20 OK", []),
        ("2000 OK", []),
        ("100 Continue", []),
        ("abc OK", []),
        (b"200 OK", []),
        (200, []),
        *(
            ("200 OK", [(name, value)])
            for name, value in [
                ("X", "a\r\nSet-Cookie: b"),
                ("X", "a\nb"),
                ("X", "a\rb"),
                ("X", "a\0b"),
                ("X", "\u20ac"),
                ("X", None),
                ("X", b"bytes"),
                ("X\r\nY", "a"),
                ("X\0", "a"),
                ("X Y", "a"),
                ("X:", "a"),
                ("X: Y", "a"),
                ("", "a"),
                ("\xe4", "a"),
                (b"X", "a"),
                (None, "a"),
                ("Connection", "close"),
                ("connection", "X"),
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Authenticate", "Basic"),
                ("Proxy-Authorization", "Basic"),
                ("TE", "trailers"),
                ("Trailer", "X"),
                ("Trailers", "X"),
                ("Transfer-Encoding", "chunked"),
                ("Upgrade", "h2c"),
                ("Content-Length", ""),
                ("Content-Length", "-1"),
                ("Content-Length", "+1"),
                ("Content-Length", "0x1"),
                ("Content-Length", "1, 1"),
                ("Content-Length", "many"),
                ("Content-Length", 4),
                ("Content-Length", "9" * 5000),
            ]
        ),
        ("200 OK", [("Content-Length", "4"), ("content-length", "4")]),
        ("200 OK", [("X",)]),
        ("200 OK", ["X"]),
        ("200 OK", None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("step", ["step12-0"])
def test_a_head_that_must_not_be_sent(
    serve: Serve, status: Any, headers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(environ: Environ, start_response: Any) -> Any:
        start_response(status, headers)
        return [b"body"]

    with serve(bad) as server:
        assert a_500(Reader(server.client()))
    assert errors_in(caplog) == ["GET / failed"] * 2


def test_a_head_that_is_unusual_and_may_be_sent(serve: Serve) -> None:
    def unusual(environ: Environ, start_response: Any) -> Any:
        headers = [
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("X-Empty", ""),
            ("X-Latin", "\xe4\t~"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Server", "mine"),
        ]
        start_response("299 \xe4h nun", headers)
        return [b""]

    with serve(unusual) as server:
        client = server.client()
        client.send(request_bytes())
        lines = client.receive_some().split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 299 \xe4h nun"
        for line in (
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"X-Empty: ",
            b"X-Latin: \xe4\t~",
            b"Server: mine",
            b"Content-Length: 0",
        ):
            assert line in lines
        dates = [line for line in lines if line.lower().startswith(b"date:")]
        assert len(dates) == 1
        assert b" 1970 " not in dates[0]


# --- Content-Length ------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 50_000])
@pytest.mark.parametrize("kind", [list, iter, Body, "write"])
def test_a_body_longer_than_announced_is_cut(
    serve: Serve, kind: Any, size: int
) -> None:
    """What came after it would be taken for the next answer."""
    asked = 0

    def longer(environ: Environ, start_response: Any) -> Any:
        nonlocal asked
        write = start_response("200 OK", [("Content-Length", str(size))])

        def pieces() -> Iterator[bytes]:
            nonlocal asked
            for _ in range(5):
                asked += 1
                yield b"x" * (size - 1)

        if kind == "write":
            for piece in pieces():
                write(piece)
            return []
        return kind(pieces())

    with serve(with_ok(longer)) as server:
        reader = Reader(server.client())
        reader.client.send(request_bytes() * 2 + request_bytes("/ok"))
        for _ in range(2):
            assert reader.receive().body == b"x" * size
        assert reader.receive().body == b"ok"
    if kind in (iter, Body):  # no more is asked for than is needed
        assert asked == 4


@pytest.mark.parametrize("size", [1, 50_000])
@pytest.mark.parametrize("kind", [iter, Body, "write"])
def test_a_body_shorter_than_announced(
    serve: Serve, kind: Any, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    def shorter(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", str(size * 2 + 1))])
        pieces = [b"x" * size] * 2
        if kind == "write":
            for piece in pieces:
                write(piece)
            return []
        return kind(pieces)

    with serve(with_ok(shorter)) as server:
        is_cut_off(server, b"x" * size * 2)
        assert answers(server)
    assert len(errors_in(caplog)) == 1


# --- Failing half-way ----------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("how", ["chunked", "length", "write"])
@pytest.mark.parametrize("size", [1, 50_000])
def test_an_answer_that_breaks_off(
    serve: Serve, error: Any, how: str, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    body: Body | None = None

    def pieces() -> Iterator[bytes]:
        yield b"x" * size
        yield b"x" * size
        raise error("half-way")

    def breaking(environ: Environ, start_response: Any) -> Any:
        nonlocal body
        length = [("Content-Length", "1000000")] if how == "length" else []
        write = start_response("200 OK", length)
        if how == "write":
            for piece in pieces():
                write(piece)
        body = Body(pieces())
        return body

    with serve(with_ok(breaking)) as server:
        is_cut_off(server, b"x" * size * 2)
        assert answers(server)
        assert len(errors_in(caplog)) == 1
        if how != "write":
            assert body is not None
            assert body.closed == 1


# --- close() -------------------------------------------------------------------------


def endless(piece: bytes = b"x" * 10_000) -> Generator[bytes, None, None]:
    while True:
        yield piece


@pytest.mark.parametrize(
    ("name", "pieces", "headers", "more"),
    [
        ("whole", [b"a", b"b"], [], {}),
        ("announced", [b"a", b"b"], [("Content-Length", "2")], {}),
        ("long", [b"a" * 20_000] * 3, [], {}),  # and not read: the kernel takes it
        ("long and announced", [b"a" * 100_000], [("Content-Length", "100000")], {}),
        ("too long", [b"a", b"b"], [("Content-Length", "1")], {}),
        ("too short", [b"a", b"b"], [("Content-Length", "3")], {}),
        ("empty", [], [], {}),
        ("of the wrong type", ["text"], [], {}),
        ("wrong type, late", [b"text", "text"], [], {}),
        ("HEAD", [b"a"], [], {"method": "HEAD"}),
        ("HEAD, empty", [], [], {"method": "HEAD"}),
        ("HTTP/1.0", [b"a", b"b"], [], {"version": "1.0"}),
        ("last request", [b"a", b"b"], [], {"fields": ["Connection: close"]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_close_is_called_once(
    serve: Serve, name: str, pieces: Any, headers: Any, more: Any
) -> None:
    bodies: list[Body] = []

    def closing(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", headers)
        bodies.append(Body(pieces))
        return bodies[-1]

    with serve(with_ok(closing)) as server:
        client = server.client()
        client.send(request_bytes("/", *more.pop("fields", ()), **more))
        wait_until(lambda: bodies and bodies[0].closed, "it is closed")
        assert answers(server)
    assert [body.closed for body in bodies] == [1]


def test_close_is_called_once_when_nothing_was_started(serve: Serve) -> None:
    body = Body([b"a"])
    with serve(with_ok(lambda environ, start_response: body)) as server:
        assert Reader(server.client()).ask().status == 500
        assert body.closed == 1


@pytest.mark.parametrize("how", ["reset", "stop"])
def test_close_is_called_once_when_the_client_leaves(serve: Serve, how: str) -> None:
    body = Body(endless())

    def flood(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return body

    with serve(with_ok(flood), grace=0.1) as server:
        client = server.client()
        client.send(request_bytes())
        client.receive_some()
        if how == "reset":
            client.reset()
            wait_until(lambda: body.closed, "the application hears of it")
            assert answers(server)
        else:
            server.stop()
            server.thread.join(DEADLINE_S)
            # When the grace is over nobody waits for the worker, which does it.
            wait_until(lambda: body.closed, "the application hears of it")
    assert body.closed == 1


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
@pytest.mark.parametrize("how", ["whole", "chunked", "announced", "left"])
def test_a_close_that_fails(
    serve: Serve, error: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer has been made, and was right: the client gets it."""

    def fails() -> None:
        raise error("in close()")

    bodies: list[Body] = []

    def failing(environ: Environ, start_response: Any) -> Any:
        headers = [("Content-Length", "4")] if how in ("whole", "announced") else []
        start_response("200 OK", headers)
        pieces: Iterable[bytes] = [b"four"] if how == "whole" else [b"fo", b"ur"]
        bodies.append(Body(endless() if how == "left" else pieces, fails))
        return bodies[-1]

    with serve(with_ok(failing)) as server:
        for _ in range(6):  # more than there are workers
            reader = Reader(server.client())
            if how == "left":
                reader.client.send(request_bytes())
                reader.client.receive_some()
                reader.client.reset()
                wait_until(lambda: bodies[-1].closed, "it is closed")
            else:
                assert reader.ask().body == b"four"
                assert reader.ask("/ok").body == b"ok"
        assert answers(server)
    assert len(errors_in(caplog)) == 6


# --- Clients that do not read --------------------------------------------------------


def deaf_client(server: Running) -> Client:
    """It asks, and reads nothing of the answer."""
    client = server.client(connected=False)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(server.port)
    client.send(request_bytes())
    return client


@pytest.mark.parametrize("by_write", [False, True], ids=["", "write()"])
def test_a_slow_reader_is_waited_for(serve: Serve, step: str, by_write: bool) -> None:
    """In the kernel's buffers and in ours is so much of an endless answer; no more is
    made. Others are served, and who leaves is not waited for."""
    if by_write and step == "step12-0":
        pytest.skip("write() cannot wait in the loop: what it is given is kept")
    made = closed = 0

    def counted(step_: int = 10_000) -> Iterator[bytes]:
        nonlocal made, closed
        try:
            for piece in endless(b"x" * step_):
                made += step_
                yield piece
        finally:
            closed += 1

    def flood(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        if by_write:
            for piece in counted():
                write(piece)
        return counted()

    with serve(with_ok(flood)) as server:
        clients = [deaf_client(server) for _ in range(3)]
        wait_until(lambda: not any(c.has_nothing() for c in clients), "they begin")
        if step == "step12":
            wait_until(lambda: threads_in("send", "step12/workers.py") == 3, "all wait")
        before = -1
        while made > before:  # until 20 others have been served, and nothing was made
            before = made
            for _ in range(20):
                assert answers(server)
            assert made < 100 * MEGABYTE
        clients[0].sock.settimeout(DEADLINE_S)
        for _ in range(2000):
            clients[0].receive_some()
        wait_until(lambda: made > before, "who reads gets more")
        for client in clients:
            client.reset()
        wait_until(lambda: closed == 3, "the answers are given up")
        for _ in range(8):
            assert answers(server)


def test_who_writes_to_a_client_that_has_left_is_told(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """But it is not the application's failure, and not logged."""
    ended = threading.Event()
    left = threading.Event()

    def writing(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"first")
        assert left.wait(DEADLINE_S)
        try:
            for piece in endless():
                write(piece)
        finally:
            ended.set()

    with serve(with_ok(writing)) as server:
        client = server.client()
        client.send(request_bytes())
        client.receive_some()
        client.reset()
        left.set()
        assert ended.wait(DEADLINE_S)
        assert answers(server)
    assert errors_in(caplog) == []


def test_a_reader_that_is_much_slower_than_the_answer_gets_all_of_it(
    serve: Serve,
) -> None:
    def long(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return (b"%d," % number * 1000 for number in range(2000))

    with serve(with_ok(long)) as server:
        reader = Reader(deaf_client(server))
        reader.client.send(request_bytes("/ok"))
        expected = b"".join(b"%d," % number * 1000 for number in range(2000))
        assert reader.receive().body == expected
        assert reader.receive().body == b"ok"


def test_an_application_that_blocks_harms_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    entered: list[bool] = []

    def blocking(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        if environ["QUERY_STRING"]:
            yield b"begun"
        entered.append(True)
        assert released.wait(DEADLINE_S)
        yield b"released"

    monkeypatch.setattr("steps.step12.server.load", lambda name: with_ok(blocking))
    with serving("step12", settings=Settings(wsgi="a:b")) as server:
        readers = [Reader(server.client()) for _ in range(3)]
        for reader, target in zip(readers, ("/", "/?begun", "/?gone"), strict=True):
            reader.client.send(request_bytes(target) + request_bytes("/ok"))
        wait_until(lambda: len(entered) == 3, "they block")
        readers.pop().client.reset()
        for _ in range(8):
            assert answers(server)
        released.set()
        assert readers[0].receive().body == b"released"
        assert readers[1].receive().body == b"begunreleased"
        for reader in readers:
            assert reader.receive().body == b"ok"
        for _ in range(8):
            assert answers(server)


# --- The drain -----------------------------------------------------------------------


def test_a_drain_waits_for_an_answer_in_pieces(serve: Serve) -> None:
    turn = threading.Event()

    def slowly(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        yield b"first"
        assert turn.wait(DEADLINE_S)
        yield b"x" * MEGABYTE
        yield b"last"

    with serve(slowly) as server:
        reader = Reader(server.client())
        reader.client.send(request_bytes())
        reader.begin()
        assert reader.piece() == b"first"
        server.stop()
        turn.set()
        assert b"".join(iter(reader.piece, None)) == b"x" * MEGABYTE + b"last"
        reader.expect_end()
        server.thread.join(DEADLINE_S)
        assert not server.thread.is_alive()


# --- Applications that people have ---------------------------------------------------


@pytest.mark.parametrize("workers", ["0", "4"])
@pytest.mark.parametrize("name", ["flask_app:app", "django_app:application"])
def test_an_unmodified(name: str, workers: str) -> None:
    flags = ["--workers", workers, "--wsgi", f"tests.steps.{name}", "--access-log"]
    with Process("step12", *flags, "--max-body-bytes", "5000000") as process:
        url = f"http://127.0.0.1:{process.listening_port()}"
        with requests.Session() as session:
            session.trust_env = False

            def get(path: str) -> requests.Response:
                return session.get(url + path, timeout=DEADLINE_S)

            def post(path: str, **more: Any) -> requests.Response:
                return session.post(url + path, timeout=DEADLINE_S, **more)

            assert get("/?name=caf%C3%A9").text == "page caf\xe9"
            assert session.head(url, timeout=DEADLINE_S).text == ""
            assert post("/form", data={"b": "2 &", "a": "\xe4"}).text == "a=\xe4 b=2 &"
            content = os.urandom(3_000_000)
            files = {"file": ("a.bin", content)}
            assert post("/upload", files=files).text == "a.bin 3000000"
            for size in 100, 300_000:
                body = os.urandom(size)
                assert post("/body", data=body).content == body
                assert post("/body", data=iter([body, b"end"])).content == body + b"end"
            stream = get("/stream")
            assert stream.headers["Transfer-Encoding"] == "chunked"
            assert stream.text == "".join(f"{number}\n" for number in range(1000))
            assert [get("/visits").text for _ in range(3)] == ["1", "2", "3"]
            assert session.cookies["other"] == "too"
            moved = get("/moved")
            assert (moved.text, len(moved.history)) == ("page moved", 1)
            assert get("/missing").status_code == 404
            assert get("/nothing/here").status_code == 404
            assert get("/fails").status_code == 500
            assert get("/").text == "page "


def test_the_example_of_the_docstring() -> None:
    flags = ["--wsgi", "wsgiref.simple_server:demo_app", "--workers", "0"]
    with Process("step12", *flags) as process, Client() as client:
        client.connect(process.listening_port())
        assert Reader(client).ask().body.startswith(b"Hello world!")


@pytest.mark.parametrize(
    "name", ["json", "json:", "json:nothing", "json:__name__", "no.such:thing", ":a"]
)
def test_names_of_no_application(name: str) -> None:
    with pytest.raises(ValueError, match="--wsgi"):
        load(name)
    if name == "json":
        with Process("step12", "--wsgi", name) as process:
            assert process.end() == (
                1,
                "step12: --wsgi 'json': write it as MODULE:CALLABLE\n",
            )


def test_names_of_applications() -> None:
    assert load("tests.steps.test_wsgi:Body.close").__qualname__ == "Body.close"
