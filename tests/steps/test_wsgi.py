"""Step 13 serves any WSGI application, as PEP 3333 says, in the loop and in workers."""

import errno
import gc
import io
import itertools
import logging
import os
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import h11
import psutil
import pytest
import requests

from steps.http11 import BadRequest, Limits, Request
from steps.step13.body import SpoolingGatherer
from steps.step13.gateway import Gateway, load
from steps.step13.head import framing, remembered_head, remembered_line
from steps.step13.settings import Settings
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


@pytest.fixture(params=["step13", "step13-0"])
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(step: str, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A server of an application; always with an access log, which sees all pieces."""

    @contextmanager
    def start(application: Application, **options: Any) -> Iterator[Running]:
        monkeypatch.setattr("steps.step13.server.load", lambda name: application)
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
    assert [environ["wsgi.multithread"] for environ in seen] == [step == "step13"] * 2
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
    with Process("step13", *wsgi, *flags) as process, Client() as client:
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


class SmallDisk(io.FileIO):
    """A file on a disk that has room for so many bytes. As on a real one, a write()
    that finds room for a part of its bytes takes that part."""

    ROOM = 100_000

    def write(self, data: Any) -> int:
        room = self.ROOM - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(data)[:room])


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        @staticmethod
        def TemporaryFile() -> Any:  # noqa: N802 - in place of the module's
            return io.BufferedRandom(SmallDisk(tmp_path / "body", "w+"))

    monkeypatch.setattr("steps.step13.body.tempfile", Disk)


DISK_FILLING = [98_000, 100_000, 100_001, 104_000, 108_000, 131_000, 165_000, 300_000]


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("size", DISK_FILLING)
def test_a_file_on_a_full_disk(size: int) -> None:
    """A file keeps the end of what it is given in a buffer, which is written later: by
    seek(), or by close(). So that may be where the disk is full."""
    gatherer = SpoolingGatherer(Limits())
    gatherer.feed(request_bytes("/", f"Content-Length: {size}"))
    data = bytes(10_000)
    status = 200
    try:
        for at in range(0, size, len(data)):
            assert gatherer.next_request() is None
            gatherer.feed(data[: size - at])
        request = gatherer.next_request()
        assert request is not None
        assert request.body_file is not None
        with request.body_file:
            assert request.body_file.read() == bytes(size)
    except BadRequest as error:
        status = error.status
    assert status == (200 if size <= SmallDisk.ROOM else 507)
    gatherer.close()


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("size", DISK_FILLING)
def test_a_body_that_fills_the_disk(serve: Serve, size: int) -> None:
    with serve(with_ok(large_uploads)) as server:
        for _ in range(2):
            reader = Reader(server.client())
            reader.client.send(request_bytes("/", body=bytes(size)))
            answer = reader.receive()
            if answer.status == 200:  # it has fitted, or was all in memory
                assert answer.body == b"%d %d" % (size, size)
            else:
                assert size > SmallDisk.ROOM
                assert (answer.status, answer.headers["connection"]) == (507, "close")
                reader.client.send_end()
                reader.expect_end()
            assert answers(server)


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


@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_write_and_an_empty_iterable_for_http_1_0(
    serve: Serve, fields: tuple[str, ...]
) -> None:
    """The end of the connection is the end of the body: it has to come."""

    def writing(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"hel")
        write(b"lo")
        return []

    with serve(writing) as server:
        reader = Reader(server.client())
        assert reader.ask("/", *fields, version="1.0").body == b"hello"
        reader.expect_end()


# --- The end of an answer is its end -------------------------------------------------


def ends_as_list(start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return [b"whole"]


def ends_as_long_list(start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return [b"whole" * 10_000]


def ends_in_chunks(start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return iter([b"in", b"chunks"])


def ends_after_its_length(start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "4")])
    return iter([b"le", b"ng", b"th"])


def ends_empty(start_response: Any) -> Any:
    start_response("204 No Content", [])
    return iter([])


def ends_in_write(start_response: Any) -> Any:
    start_response("200 OK", TEXT)(b"by write()")
    return []


def ends_as_500(start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    raise RuntimeError("the application's own bug")


def ends_without_a_start(start_response: Any) -> Any:
    return []


ENDS: list[Callable[[Any], Any]] = [
    ends_as_list,
    ends_as_long_list,
    ends_in_chunks,
    ends_after_its_length,
    ends_empty,
    ends_in_write,
    ends_as_500,
    ends_without_a_start,
]


def call_late(start_response: Any, write: Any) -> list[str]:
    """What an application may still call; what that raises."""
    try:
        raise LookupError("the application's")
    except LookupError:
        exc_info = sys.exc_info()
    raised = []
    calls: list[Callable[[], Any]] = [
        lambda: write(b"LATE") if write else start_response("200 OK", TEXT),
        lambda: write(b"") if write else start_response("200 OK", TEXT),
        lambda: start_response("200 OK", TEXT),
        lambda: start_response("200 LATE", TEXT, exc_info),
    ]
    for call in calls:
        try:
            call()
            raised.append("nothing")
        except BaseException as error:
            raised.append(repr(error))
    return raised


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["", "in another thread"])
def test_what_comes_after_the_end_is_refused_where_it_is_called(
    serve: Serve, end: Callable[[Any], Any], elsewhere: bool
) -> None:
    """It sends nothing and ends nothing, whoever the next client is, and whether it has
    been answered, or waits for its answer."""
    kept: list[tuple[Any, Any]] = []
    raised: list[str] = []

    def keeping(environ: Environ, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/keep":
            kept.append((start_response, None))

            def catching(*arguments: Any) -> Any:
                write = start_response(*arguments)
                kept[-1] = (start_response, write)
                return write

            return end(catching)

        def late() -> None:
            raised.extend(call_late(*kept[-1]))

        if elsewhere:
            thread = threading.Thread(target=late)
            thread.start()
            thread.join()
        else:
            late()
        start_response("200 OK", TEXT)
        return iter([b"next"])

    with serve(with_ok(keeping)) as server:
        reader, other = Reader(server.client()), Reader(server.client())
        for _ in range(2):
            reader.ask("/keep")
            assert reader.ask("/late").body == b"next"
            assert other.ask("/late").body == b"next"
            assert reader.ask("/ok").body == b"ok"
        assert answers(server)
    assert len(raised) == 16
    assert all("is over" in each for each in raised), raised


@pytest.mark.parametrize("length", [[], [("Content-Length", "4")]])
def test_the_iterable_is_closed_after_the_end(serve: Serve, length: Any) -> None:
    """What it writes in close() would come behind the last chunk."""
    raised: list[str] = []

    def closing(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", length)
        return Body(
            [b"fo", b"ur"], lambda: raised.extend(call_late(start_response, write))
        )

    with serve(with_ok(closing)) as server:
        reader = Reader(server.client())
        for _ in range(3):
            assert reader.ask().body == b"four"
            assert reader.ask("/ok").body == b"ok"
    assert len(raised) == 12
    assert all("is over" in each for each in raised), raised


def test_while_the_last_chunk_waits_to_be_sent() -> None:
    """In the loop others are served between an answer's last piece and its close()."""
    saved: list[Any] = []
    raised: list[str] = []

    def keeping(environ: Environ, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/last":
            saved.append((start_response, start_response("200 OK", TEXT)))
            return iter([b"x"])
        raised.extend(call_late(*saved[-1]))
        start_response("200 OK", TEXT)
        return [b"between"]

    class Connection:
        peer = "here"

    sent: list[bytes] = []
    gateway = Gateway(
        keeping, ("here", 1), False, False, lambda *each: sent.append(each[2])
    )
    _, keep, pieces = gateway(Connection(), Request("GET", "/last"))  # type: ignore[arg-type]
    assert keep is None
    assert pieces is not None
    assert next(pieces) == b"0\r\n\r\n"
    gateway(Connection(), Request("GET", "/"))  # type: ignore[arg-type]
    assert len(raised) == 4
    assert all("is over" in each for each in raised), raised
    assert sent == []
    with pytest.raises(StopIteration) as end:
        next(pieces)
    assert end.value.value is True


def test_write_in_another_thread(serve: Serve) -> None:
    """It could come at the very moment when the answer ends: it is refused."""
    raised: list[str] = []

    def writing(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)

        def elsewhere() -> None:
            try:
                write(b"from elsewhere")
            except RuntimeError as error:
                raised.append(str(error))

        write(b"wri")
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return [b"tten"]

    with serve(with_ok(writing)) as server:
        reader = Reader(server.client())
        for _ in range(3):
            assert reader.ask().body == b"written"
        assert reader.ask("/ok").body == b"ok"
    assert raised == ["write(): this is not the thread of the application"] * 3


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
@pytest.mark.parametrize("step", ["step13-0"])
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
        assert dates == [b"Date: Thu, 01 Jan 1970 00:00:00 GMT"]  # it is the answer's


class Letters(str):
    """A subclass of str: all that it says of itself, its letters aside, is wrong."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    __hash__ = str.__hash__

    def __format__(self, specification: str) -> str:
        return "X\r\nformatted: "

    def __str__(self) -> str:
        return "as a str"

    def lower(self) -> str:
        return "in lower case"

    def encode(self, *_: Any) -> bytes:
        return b"encoded"

    def isdecimal(self) -> bool:
        return True


def test_a_subclass_of_str_is_a_str(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """And its letters are sent, whatever has been answered before, or comes next."""
    kinds: list[Any] = [str, Letters, str, Letters, Letters, str]

    def lettered(environ: Environ, start_response: Any) -> Any:
        kind = kinds[int(environ["QUERY_STRING"])]
        if environ["PATH_INFO"] == "/bad":
            start_response("200 OK", [("X", kind("a\r\nb"))])
        headers = [(kind("X-Name"), kind("value")), ("Content-Length", kind("4"))]
        start_response(kind("200 Fine"), headers)
        return [b"four"]

    with serve(with_ok(lettered)) as server:
        for _ in range(2):
            client = server.client()
            for number in range(len(kinds)):
                client.send(request_bytes(f"/?{number}"))
                head, body = client.receive_some().split(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                assert (lines[0], body) == (b"HTTP/1.1 200 Fine", b"four")
                assert b"X-Name: value" in lines
                assert b"Content-Length: 4" in lines
                reader = Reader(server.client())
                assert reader.ask(f"/bad?{number}").status == 500
                assert reader.ask("/ok").body == b"ok"
            kinds.reverse()
    assert errors_in(caplog) == [f"GET /bad?{n} failed" for n in range(6)] * 2


class Liar(tuple[str, str]):
    """A field that says it is equal to any other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(("X", "plain"))


def test_a_subclass_of_tuple_is_not_taken_for_another_field(serve: Serve) -> None:
    def fielded(environ: Environ, start_response: Any) -> Any:
        liar = Liar(("X", "of a liar"))
        start_response("200 OK", [("X", "plain") if environ["QUERY_STRING"] else liar])
        return []

    with serve(fielded) as server:
        reader = Reader(server.client())
        assert reader.ask("/").headers["x"] == "of a liar"
        assert reader.ask("/?plain").headers["x"] == "plain"


def test_a_refused_start_response_has_been_called(serve: Serve) -> None:
    """PEP 3333: "This includes the case where the first call raised an error." """
    second: list[str] = []

    def starting(environ: Environ, start_response: Any) -> Any:
        try:
            start_response("200 OK", [("X", "a\nb")])
        except ValueError:
            exc_info = sys.exc_info()
        if environ["PATH_INFO"] == "/again":
            try:
                start_response("200 OK", TEXT)
            except AssertionError as error:
                second.append(str(error))
        elif environ["PATH_INFO"] == "/with":
            start_response("503 Sorry", TEXT, exc_info)
        elif environ["PATH_INFO"] == "/replace":
            start_response("503 Sorry", TEXT, exc_info)
            try:
                start_response("200 OK", [("X", "a\nb")], exc_info)
            except ValueError:
                pass
        return [b"body"]

    with serve(starting) as server:
        reader = Reader(server.client())
        assert a_500(reader, "/again")
        assert second == ["start_response() has been called before"] * 2
        assert a_500(reader, "/replace")
        assert a_500(reader, "/")
        assert reader.ask("/with").status == 503


# --- What is remembered of answers ---------------------------------------------------


def remembered_by(answers: Iterable[tuple[str, list[tuple[str, str]], int]]) -> int:
    """How many bytes a gateway holds when it has given these answers; what was held
    before, or is held by the application, is not counted."""

    class Connection:
        peer = "here"

    def application(environ: Environ, start_response: Any) -> Any:
        status, headers, size = next(iterator)
        start_response(status, headers)
        return [b"x" * size]

    iterator = iter(answers)
    gateway = Gateway(application, ("here", 1), False, False, lambda *_: None)
    tracemalloc.start()
    try:
        for _ in range(600):
            gateway(Connection(), Request("GET", "/"))  # type: ignore[arg-type]
        gc.collect()  # without the GIL it may be late
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        for cache in remembered_line, remembered_head:
            cache.cache_clear()


ANSWERS: dict[str, Callable[[int], tuple[str, list[tuple[str, str]], int]]] = {
    "long values": lambda n: ("200 OK", [("X", f"{n}" + "x" * 20_000)], 1),
    "long names": lambda n: ("200 OK", [(f"X-{n}" + "x" * 20_000, "a")], 1),
    "long reasons": lambda n: (f"200 {n}" + "x" * 20_000, [], 1),
    "many fields": lambda n: ("200 OK", [(f"X-{n}-{i}", "") for i in range(300)], 1),
    "long dates": lambda n: ("200 OK", [("Date", f"{n}" + "x" * 20_000)], 1),
    "long lengths": lambda n: (
        "200 OK",
        [("Content-Length", "0" * 4000 + f"{n}")],
        n,
    ),
    "all as long as may be": lambda n: (
        "200 OK",
        [(f"X-{n}-{i}", "x" * 40) for i in range(32)],
        1,
    ),
    "all lengths": lambda n: ("200 OK", TEXT, n),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_remembered_of_answers_is_bounded(kind: str) -> None:
    """600 different ones: without a bound, the long ones alone would be 12 MB."""
    assert remembered_by(map(ANSWERS[kind], range(10**6))) < 5 * MEGABYTE


# --- Framing -------------------------------------------------------------------------


def test_the_framing_of_every_answer_is_as_the_table_says() -> None:
    """The table in the docstring: each combination of the four facts is in one row."""
    assert framing.__doc__ is not None
    lines = [line.strip() for line in framing.__doc__.splitlines()]
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    table = [[cell.strip() for cell in row] for row in rows[2:]]
    statuses = {"204, 304": False, "any other": True}
    methods = {"HEAD": True, "other": False}
    lengths = {"said": (7, 5), "counted": (None, 5), "unknown": (None, None)}
    versions = {"1.1": True, "1.0": False}
    seen = 0
    for facts in itertools.product(statuses, methods, lengths, versions):
        rows = [
            row
            for row in table
            if all(x in ("any", fact) for x, fact in zip(row, facts, strict=False))
        ]
        assert len(rows) == 1, facts
        told, body = rows[0][4:]
        status, method, length, version = facts
        said, counted = lengths[length]
        found = framing(
            statuses[status], methods[method], said, counted, versions[version]
        )
        names = []
        if found.length is not None:
            assert found.length == (7 if length == "said" else 5)
            names.append("Content-Length")
        if found.is_chunked:
            names.append("Transfer-Encoding: chunked")
        if found.closes:
            names.append("Connection: close")
        assert (names or ["nothing"]) == [told], facts
        assert found.due == {"0": 0, "said": said, "all": counted}[body], facts
        seen += 1
    assert seen == 24


# --- Content-Length ------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 50_000])
@pytest.mark.parametrize("kind", [list, iter, Body, "write"])
def test_a_body_longer_than_announced_is_cut(
    serve: Serve, kind: Any, size: int
) -> None:
    """What came after it would be taken for the next answer. Who gives it by write() is
    told (PEP 3333, Handling the Content-Length Header)."""
    asked = 0
    refused: list[str] = []

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
                try:
                    write(piece)
                except ValueError as error:
                    refused.append(str(error))
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
    assert len(refused) == (8 if kind == "write" else 0)


@pytest.mark.parametrize("kind", [list, iter, "write"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_no_body_where_one_was_announced(
    serve: Serve, kind: Any, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing has been sent, so it is a 500. A head that announces five bytes, and none
    behind it, would make the client take them from its next answer."""

    def promising(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", "5")])
        if kind == "write":
            write(b"")
            return []
        return kind([b""])

    with serve(with_ok(promising)) as server:
        reader = Reader(server.client())
        for _ in range(2):
            answer = reader.ask("/", "Connection: keep-alive", version=version)
            assert answer.status == 500
        assert reader.ask("/ok").body == b"ok"
    assert errors_in(caplog) == ["GET / failed"] * 2


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
    if by_write and step == "step13-0":
        pytest.skip("write() cannot wait in the loop: the next test")
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
        if step == "step13":
            wait_until(lambda: threads_in("send", "step13/workers.py") == 3, "all wait")
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


@pytest.mark.parametrize("catches", [False, True], ids=["", "and goes on"])
@pytest.mark.parametrize("step", ["step13-0"])
def test_write_in_the_loop_does_not_fill_the_memory(
    serve: Serve, catches: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop cannot wait until the client reads. So write() is refused, and a reason
    given, when it has not read so much. Then the answer has a hole: it is broken off,
    even if the application takes no notice."""
    taken: list[int] = []
    refused: list[str] = []

    def flood(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        for _ in range(3000):
            try:
                write(b"x" * 100_000)
                taken.append(100_000)
            except RuntimeError as error:
                refused.append(str(error))
                if not catches:
                    raise
        return [b"the end"]

    with serve(with_ok(flood)) as server:
        client = deaf_client(server)
        tracemalloc.start()
        wait_until(lambda: errors_in(caplog), "it is refused")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert answers(server)
        assert most < MEGABYTE
        assert sum(taken) < 20 * MEGABYTE  # the kernel's share
        assert "--workers" in refused[0]
        assert len(refused) == (3000 - len(taken) if catches else 1)
        client.sock.settimeout(DEADLINE_S)
        reader = Reader(client)
        reader.begin()
        got: list[bytes] = []
        with pytest.raises(h11.RemoteProtocolError, match="without sending complete"):
            got.extend(iter(reader.piece, None))
        assert sum(map(len, got)) <= sum(taken)
    assert len(errors_in(caplog)) == 1


@pytest.mark.parametrize("step", ["step13-0"])
def test_write_in_the_loop_to_a_client_that_reads(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What it reads makes room for more."""
    written = threading.Event()

    def writing(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        for _ in range(1000):
            write(b"x" * 10_000)
            client.sock.recv(1 << 20)
        written.set()
        return []

    with serve(writing) as server:
        client = server.client()
        client.send(request_bytes("/", "Connection: close"))
        assert written.wait(DEADLINE_S)
        client.receive_some()
    assert errors_in(caplog) == []


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

    monkeypatch.setattr("steps.step13.server.load", lambda name: with_ok(blocking))
    with serving("step13", settings=Settings(wsgi="a:b")) as server:
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


def test_a_client_that_is_given_up_before_its_turn_had_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker makes the environ when the loop has closed the client's socket."""
    released = threading.Event()
    seen: list[tuple[str, str]] = []

    def application(environ: Environ, start_response: Any) -> Any:
        seen.append((environ["PATH_INFO"], environ["REMOTE_ADDR"]))
        assert released.wait(DEADLINE_S)
        start_response("200 OK", TEXT)
        return []

    monkeypatch.setattr("steps.step13.server.load", lambda name: application)
    settings = Settings(wsgi="a:b", handler_timeout=0.1)
    with serving("step13", workers=1, settings=settings) as server:
        first, second = server.client(), server.client()
        first.send(request_bytes("/first"))
        wait_until(lambda: seen, "the worker has the first one's request")
        second.send(request_bytes("/second"))
        assert second.receive().status == 503
        second.close()
        wait_until(lambda: server.stats.closed > 0, "its socket is closed")
        released.set()
        wait_until(lambda: len(seen) == 2, "its turn has come")
    assert seen == [("/first", "127.0.0.1"), ("/second", "127.0.0.1")]


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
    with Process("step13", *flags, "--max-body-bytes", "5000000") as process:
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
    with Process("step13", *flags) as process, Client() as client:
        client.connect(process.listening_port())
        assert Reader(client).ask().body.startswith(b"Hello world!")


@pytest.mark.parametrize(
    "name", ["json", "json:", "json:nothing", "json:__name__", "no.such:thing", ":a"]
)
def test_names_of_no_application(name: str) -> None:
    with pytest.raises(ValueError, match="--wsgi"):
        load(name)
    if name == "json":
        with Process("step13", "--wsgi", name) as process:
            assert process.end() == (
                1,
                "step13: --wsgi 'json': write it as MODULE:CALLABLE\n",
            )


def test_names_of_applications() -> None:
    assert load("tests.steps.test_wsgi:Body.close").__qualname__ == "Body.close"
