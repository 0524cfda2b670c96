"""PEP 3333, paragraph by paragraph: what a server must, must not, and should do.

Each docstring names the section, and says its words. What an application must do is not
here, and what frameworks and clients see is in test_wsgi.py.
"""

# ruff: noqa: F811 - `step` and `serve` are fixtures
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import is_hop_by_hop, request_uri

import pytest

from steps.step13 import settings as settings_13
from steps.step14 import settings as settings_14
from tests.steps.harness import DEADLINE_S, request_bytes, wait_until
from tests.steps.test_wsgi import (  # noqa: F401
    TEXT,
    Application,
    Body,
    Environ,
    Reader,
    Serve,
    errors_in,
    is_cut_off,
    serve,
    step,
    with_ok,
)


def environ_of(serve: Serve, *arguments: str, **more: Any) -> Environ:
    """What an application is told of one request."""
    seen: list[Environ] = []

    def keeping(environ: Environ, start_response: Any) -> Any:
        seen.append(environ)
        start_response("200 OK", TEXT)
        return []

    with serve(keeping) as server:
        assert Reader(server.client()).ask(*arguments, **more).status == 200
    return seen[0]


def result_of(serve: Serve, call: Callable[[Environ, Any], Any]) -> Any:
    """What `call` gives, within an application that then answers."""
    results: list[Any] = []

    def calling(environ: Environ, start_response: Any) -> Any:
        results.append(call(environ, start_response))
        return [b"body"]

    with serve(calling) as server:
        assert Reader(server.client()).ask(body=b"one\ntwo\nthree").status == 200
    return results[0]


# --- Specification Overview; Specification Details ------------------------------------


class AsInstance:
    def __call__(self, environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [b"body"]

    def method(self, environ: Environ, start_response: Any) -> Any:
        return self(environ, start_response)


class AsClass:
    def __init__(self, environ: Environ, start_response: Any) -> None:
        self.start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start_response("200 OK", TEXT)
        yield b"body"


def as_function(first: Environ, second: Any, /) -> Any:
    second("200 OK", TEXT)
    return [b"body"]


@pytest.mark.parametrize(
    "application",
    [AsInstance(), AsInstance().method, AsClass, as_function],
    ids=["instance", "method", "class", "function"],
)
def test_any_callable_with_positional_arguments(
    serve: Serve, application: Application
) -> None:
    """Overview: a server "must not have any dependency on what kind of callable was
    provided". Details: it "must invoke the application object using positional (not
    keyword) arguments"."""
    with serve(application) as server:
        assert Reader(server.client()).ask().body == b"body"


def test_it_is_called_once_for_each_request(serve: Serve) -> None:
    """The Server Side: "invokes the application callable once for each request"."""
    calls: list[str] = []

    def counting(environ: Environ, start_response: Any) -> Any:
        calls.append(environ["PATH_INFO"])
        start_response("200 OK", TEXT)
        return []

    with serve(counting) as server:
        client = server.client()
        client.send(b"".join(request_bytes(f"/{number}") for number in range(5)))
        for _ in range(5):
            client.receive()
    assert calls == ["/0", "/1", "/2", "/3", "/4"]


def test_the_environ_is_a_dict_that_may_be_changed(serve: Serve) -> None:
    """Details: "must be a builtin Python dictionary (not a subclass)", and "the
    application is allowed to modify the dictionary in any way it desires"."""
    kinds: list[Any] = []

    def spoiling(environ: Environ, start_response: Any) -> Any:
        kinds.append((type(environ), len(environ)))
        environ.clear()
        environ.update({"PATH_INFO": 7, "wsgi.input": None})
        start_response("200 OK", TEXT)
        return [b"body"]

    with serve(spoiling) as server:
        reader = Reader(server.client())
        for _ in range(2):
            assert reader.ask().body == b"body"
    assert kinds[0][0] is dict
    assert kinds[0] == kinds[1]


def test_start_response_returns_write(serve: Serve) -> None:
    """Details: it "must return a write(body_data) callable that takes one positional
    parameter"."""
    write = result_of(serve, lambda environ, start: start("200 OK", TEXT))
    assert callable(write)


def test_each_bytestring_is_sent_before_the_next_is_asked_for(serve: Serve) -> None:
    """Details: "completing the transmission of each bytestring before requesting
    another one". Buffering and Streaming: "must not delay the transmission of any
    block"; The write() Callable: nor of what is written."""
    turn = threading.Event()

    def waiting(environ: Environ, start_response: Any) -> Iterator[bytes]:
        for name in "pieces", "length":
            if environ["PATH_INFO"] == f"/{name}":
                length = [("Content-Length", "10")] if name == "length" else []
                start_response("200 OK", length)
                yield b"first"
                assert turn.wait(DEADLINE_S)
                yield b"secnd"

    def writing(environ: Environ, start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/write":
            return waiting(environ, start_response)
        write = start_response("200 OK", TEXT)
        write(b"first")
        assert turn.wait(DEADLINE_S)
        write(b"secnd")
        return []

    with serve(writing) as server:
        reader = Reader(server.client())
        for name in "pieces", "length", "write":
            turn.clear()
            reader.client.send(request_bytes(f"/{name}"))
            reader.begin()
            assert reader.piece() == b"first"
            turn.set()
            assert reader.piece() == b"secnd"
            assert reader.piece() is None


def test_bytes_are_bytes(serve: Serve) -> None:
    """Details: "should ensure that line endings are not altered"."""
    every = bytes(range(256)) + b"\n\r\n\r\r\n" * 3

    def binary(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [every] if environ["QUERY_STRING"] else iter([every])

    with serve(binary) as server:
        reader = Reader(server.client())
        assert reader.ask("/").body == reader.ask("/?list").body == every


@pytest.mark.parametrize("how", ["whole", "error", "disconnect"])
def test_close_is_called(serve: Serve, how: str) -> None:
    """Details: "must call that method upon completion of the current request, whether
    the request was completed normally, or terminated early due to an application error
    during iteration or an early disconnect of the browser"."""

    def pieces() -> Iterator[bytes]:
        yield b"x" * 20_000
        if how == "error":
            raise RuntimeError("half-way")
        while how == "disconnect":
            yield b"x" * 20_000

    body = Body(pieces())

    def closing(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return body

    with serve(closing) as server:
        client = server.client()
        client.send(request_bytes())
        client.receive_some()
        if how == "disconnect":
            client.reset()
        wait_until(lambda: body.closed, "it is closed")
    assert body.closed == 1


def test_start_response_may_come_with_the_first_piece(serve: Serve) -> None:
    """Details: "servers must not assume that start_response() has been called before
    they begin iterating"; nor by a yield of an empty bytestring."""

    def late(environ: Environ, start_response: Any) -> Iterator[bytes]:
        yield b""
        yield b""
        start_response("201 Late", TEXT)
        yield b"body"

    with serve(late) as server:
        answer = Reader(server.client()).ask()
        assert (answer.status, answer.body) == (201, b"body")


def test_no_other_attribute_of_the_iterable_is_used(serve: Serve) -> None:
    """Details: "must not directly use any other attributes of the iterable"."""
    used: set[str] = set()

    class Watched:
        def __getattribute__(self, name: str) -> Any:
            used.add(name)
            return object.__getattribute__(self, name)

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"body"])

    def watched(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return Watched()

    with serve(watched) as server:
        assert Reader(server.client()).ask().body == b"body"
    assert used <= {"__iter__", "__next__", "__len__", "close"}


# --- environ Variables ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("POST", "//"),
        ("HEAD", "/a%20b"),
        ("GET", "http://a"),
        ("M-SEARCH", "/?"),
        ("OPTIONS", "/a?b"),
        ("OPTIONS", "*"),
        ("OPTIONS", "http://a"),
    ],
)
def test_the_variables_that_must_be_there(
    serve: Serve, method: str, target: str
) -> None:
    """environ Variables: REQUEST_METHOD "cannot ever be an empty string"; SERVER_NAME
    and SERVER_PORT "must never be empty"; PATH_INFO is empty for an application below a
    SCRIPT_NAME alone (RFC 3875 §4.1.5: it begins with a slash). "It is a violation for
    any CGI variable's value to be of any type other than str"."""
    environ = environ_of(serve, target, "X: y", method=method)
    assert environ["REQUEST_METHOD"] == method
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"][0] == "/"
    assert environ["SERVER_NAME"]
    assert environ["SERVER_PORT"].isdecimal()
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["HTTP_X"] == "y"
    assert "REMOTE_USER" not in environ
    for name, value in environ.items():
        assert type(name) is str
        if "." not in name:
            assert type(value) is str, name
            value.encode("latin-1")  # Unicode Issues: no other characters


def test_http_variables_are_those_of_the_request(serve: Serve) -> None:
    """environ Variables: their "presence or absence should correspond with the presence
    or absence of the appropriate HTTP header in the request"; hop-by-hop ones a server
    handles on its own (Other HTTP Features)."""
    environ = environ_of(serve, "/", "X-One: 1", "Content-Type: a/b", body=b"body")
    found = {name for name in environ if name.startswith(("HTTP_", "CONTENT_"))}
    assert found == {"HTTP_HOST", "HTTP_X_ONE", "CONTENT_TYPE", "CONTENT_LENGTH"}


def test_the_wsgi_variables(serve: Serve, step: str) -> None:
    """environ Variables: wsgi.version is "the tuple (1, 0)"; wsgi.multithread "should
    evaluate true if the application object may be simultaneously invoked by another
    thread", "and false otherwise"; wsgi.run_once false. Names of others are in lower
    case and have a prefix."""
    environ = environ_of(serve)
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.url_scheme"] == "http"
    assert bool(environ["wsgi.multithread"]) is (step == "step13")
    assert not environ["wsgi.multiprocess"]
    assert not environ["wsgi.run_once"]
    others = [name for name in environ if "." in name]
    assert all(name.islower() and name.startswith("wsgi.") for name in others)


def test_whether_other_processes_serve_the_same() -> None:
    """environ Variables: wsgi.multiprocess "should evaluate true if an equivalent
    application object may be simultaneously invoked by another process". With one
    process that is so, too: during a reload there are two."""
    assert not settings_13.Settings().is_one_of_many
    assert settings_14.Settings(processes=1).is_one_of_many


# --- Input and Error Streams ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "call", "expected"),
    [
        ("read(size)", lambda stream: stream.read(4), b"one\n"),
        ("read() without an argument", lambda stream: stream.read(), None),
        ("readline()", lambda stream: stream.readline(), b"one\n"),
        ("readline(size)", lambda stream: stream.readline(2), b"on"),
        ("readlines()", lambda s: s.readlines(), [b"one\n", b"two\n", b"three"]),
        ("readlines(hint)", lambda s: s.readlines(1), [b"one\n"]),
        ("__iter__()", lambda stream: list(stream), [b"one\n", b"two\n", b"three"]),
        ("past the end", lambda s: s.read() and s.read(10), b""),
        ("at the end", lambda s: [s.read(), s.read(), s.readline()][1:], [b"", b""]),
        ("lines at the end", lambda s: s.read() and s.readlines(), []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_input(serve: Serve, name: str, call: Any, expected: Any) -> None:
    """Input and Error Streams: the methods that "must be supported"; "should simulate
    an end-of-file condition"; "should return empty bytestrings from any attempt to read
    from an empty or exhausted input stream"."""

    def reading(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return call(environ["wsgi.input"])

    found = result_of(serve, reading)
    assert found == (b"one\ntwo\nthree" if expected is None else expected)


def test_the_errors(
    serve: Serve, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Input and Error Streams: flush(), write(str) and writelines(seq); environ
    Variables: it "should accept and log arbitrary unicode without raising an error"."""
    errors = environ_of(serve)["wsgi.errors"]
    errors.write("one \u20ac\n")
    errors.writelines(["two\n", "three\n"])
    errors.flush()
    assert "two\nthree\n" in capsys.readouterr().err
    assert sys.__stderr__ is not None
    assert sys.__stderr__.errors == "backslashreplace"


def test_the_errors_where_there_is_no_standard_error(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same: they "must be supported by all servers". Python has no sys.stderr where
    descriptor 2 was closed when it started."""
    monkeypatch.setattr(sys, "stderr", None)
    with environ_of(serve)["wsgi.errors"] as errors:
        errors.write("lost\n")
        errors.flush()


# --- The start_response() Callable ----------------------------------------------------


def test_errors_are_raised_where_start_response_is_called(serve: Serve) -> None:
    """The start_response() Callable: control characters "must not" be in a status or a
    value; a hop-by-hop field a server "should consider a fatal error"; it "should check
    for errors in the headers at the time start_response is called"."""
    bad: list[tuple[str, Any]] = [
        ("200 OK\r\n", []),
        ("200 O\x7fK", []),
        ("200\tOK", []),
        ("200 \u20ac", []),  # Unicode Issues: "a fatal error"
        ("200 OK", [("X", "\x01")]),
        ("200 OK", [("X", "\u20ac")]),
        ("200 OK", [("X:", "y")]),
    ]
    hop_by_hop = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
    ]
    hop_by_hop += ["trailers", "transfer-encoding", "upgrade"]
    assert all(map(is_hop_by_hop, hop_by_hop))
    bad += [("200 OK", [(name.title(), "x")]) for name in hop_by_hop]

    def raising(environ: Environ, start_response: Any) -> list[str]:
        start_response("200 OK", TEXT)
        raised = []
        for status, headers in bad:
            try:
                1 / 0  # noqa: B018
            except ZeroDivisionError:
                exc_info = sys.exc_info()
            try:
                start_response(status, headers, exc_info)
            except ValueError:
                raised.append((status, headers))
        start_response("200 OK", TEXT, exc_info)
        return raised  # type: ignore[return-value]

    assert result_of(serve, raising) == bad


def test_the_list_of_fields_is_left_alone(serve: Serve) -> None:
    """The start_response() Callable: the server "may change its contents". This one
    does not, so an application may keep its list."""
    headers = [("X", "y"), ("Content-Length", "4"), ("date", "today")]
    result_of(serve, lambda environ, start: start("200 OK", headers))
    assert headers == [("X", "y"), ("Content-Length", "4"), ("date", "today")]


@pytest.mark.parametrize("name", ["Date", "dAtE", "Server", "SERVER"])
def test_what_http_requires_is_added_unless_it_is_there(
    serve: Serve, name: str
) -> None:
    """The start_response() Callable: "if the application omits a header required by
    HTTP, the server must add it", such as Date; and "header names are
    case-insensitive"."""

    def dated(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [(name, "mine")] if environ["QUERY_STRING"] else [])
        return [b"body"]

    with serve(dated) as server:
        reader = Reader(server.client())
        assert "GMT" in reader.ask("/").headers["date"]
        answer = reader.ask("/?mine")
        assert answer.headers[name.lower()] == "mine"
        assert ("GMT" in answer.headers["date"]) is (name.lower() != "date")


@pytest.mark.parametrize("how", ["pieces", "write"])
def test_the_head_is_not_sent_before_there_is_a_body(serve: Serve, how: str) -> None:
    """The start_response() Callable: it "must not actually transmit the response
    headers": "only after the first iteration that yields a non-empty bytestring, or
    upon the first invocation of the write() callable", or at the end."""
    turn = threading.Event()

    def delaying(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        if how == "write":
            write(b"")
        return pieces(start_response)

    def pieces(start_response: Any) -> Iterator[bytes]:
        yield b""
        begun.set()
        assert turn.wait(DEADLINE_S)
        try:
            raise RuntimeError("so late")
        except RuntimeError:
            start_response("500 So Late", TEXT, sys.exc_info())
        yield b""

    begun = threading.Event()
    with serve(delaying) as server:
        reader = Reader(server.client())
        reader.client.send(request_bytes())
        assert begun.wait(DEADLINE_S)
        assert reader.client.has_nothing()
        turn.set()
        answer = reader.receive()
        assert (answer.status, answer.body) == (500, b"")


def test_exc_info_is_not_kept(serve: Serve) -> None:
    """The start_response() Callable: servers "should ensure that no reference is held
    to the exc_info parameter beyond the duration of the function's execution"."""

    class MarkedError(Exception):
        pass

    marks: list[Any] = []
    kept: list[Any] = []

    def failing(environ: Environ, start_response: Any) -> None:
        try:
            raise MarkedError
        except MarkedError as error:
            marks.append(weakref.ref(error))
            start_response("500 No", TEXT, sys.exc_info())

    def application(environ: Environ, start_response: Any) -> Any:
        kept.append(start_response)
        failing(environ, start_response)
        return [b"body"]

    with serve(application) as server:
        gc.disable()
        try:
            assert Reader(server.client()).ask().status == 500
            assert marks[0]() is None
        finally:
            gc.enable()


def test_a_second_call_without_exc_info_is_a_fatal_error(serve: Serve) -> None:
    """The start_response() Callable: "it is a fatal error to call start_response
    without the exc_info argument if start_response has already been called". (With a
    first call that raised: test_wsgi.py.)"""

    def twice(environ: Environ, start_response: Any) -> str:
        start_response("200 OK", TEXT)
        with pytest.raises(AssertionError) as raised:
            start_response("200 OK", TEXT)
        return str(raised.value)

    assert "before" in result_of(serve, twice)


def test_exc_info_is_raised_again_when_the_head_is_sent(serve: Serve) -> None:
    """The start_response() Callable: it "must raise an error, and should re-raise using
    the exc_info tuple"."""

    def again(environ: Environ, start_response: Any) -> bool:
        start_response("200 OK", TEXT)(b"begun")
        error = LookupError("mine")
        with pytest.raises(LookupError) as raised:
            start_response("500 No", TEXT, (LookupError, error, None))
        return raised.value is error

    assert result_of(serve, again) is True


# --- Handling the Content-Length Header -----------------------------------------------


def test_no_more_is_sent_than_was_announced(serve: Serve) -> None:
    """Handling the Content-Length Header: a server "should not transmit more bytes than
    the header allows, and should stop iterating over the response when enough data has
    been sent, or raise an error if the application tries to write() past that
    point"."""
    asked: list[int] = []
    raised: list[str] = []

    def longer(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", "4")])
        if environ["QUERY_STRING"]:
            write(b"bo")
            try:
                write(b"dy, and more")
            except ValueError as error:
                raised.append(str(error))
            return []
        return pieces()

    def pieces() -> Iterator[bytes]:
        for number in range(5):
            asked.append(number)
            yield b"body"

    with serve(longer) as server:
        reader = Reader(server.client())
        assert reader.ask("/").body == reader.ask("/?write").body == b"body"
    assert asked == [0]
    assert len(raised) == 1


def test_less_than_was_announced(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Handling the Content-Length Header: "the server should close the connection and
    log or otherwise report the error"."""

    def shorter(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "9")])
        return iter([b"body"])

    with serve(with_ok(shorter)) as server:
        is_cut_off(server, b"body")
    assert len(errors_in(caplog)) == 1


# --- The write() Callable; Error Handling; Expect; Threads; URLs ----------------------


def test_what_is_returned_comes_after_what_is_written(serve: Serve) -> None:
    """The write() Callable: what the iterable yields is "transmitted after all
    bytestrings passed to write() have been sent"; it may be empty."""

    def both(environ: Environ, start_response: Any) -> Any:
        write = start_response("200 OK", TEXT)
        write(b"one ")
        write(b"two ")
        return [] if environ["QUERY_STRING"] else [b"three"]

    with serve(both) as server:
        reader = Reader(server.client())
        assert reader.ask("/").body == b"one two three"
        assert reader.ask("/?empty").body == b"one two "


@pytest.mark.parametrize("where", ["call", "iteration"])
def test_exceptions_are_trapped_and_logged(
    serve: Serve, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Error Handling: servers "should trap and log any exception that aborts an
    application or the iteration of its return value"."""

    def iterating() -> Iterator[bytes]:
        yield b""
        raise LookupError("mine")

    def failing(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        if where == "call":
            raise LookupError("mine")
        return iterating()

    with serve(with_ok(failing)) as server:
        reader = Reader(server.client())
        assert reader.ask().status == 500
        assert reader.ask("/ok").body == b"ok"
    assert "LookupError: mine" in caplog.text


def test_expect_100_continue(serve: Serve) -> None:
    """HTTP 1.1 Expect/Continue: servers "must provide transparent support". Other HTTP
    Features: they "must handle" hop-by-hop fields, "such as by decoding any inbound
    Transfer-Encoding"."""

    def reading(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", TEXT)
        return [environ["wsgi.input"].read(), environ["CONTENT_LENGTH"].encode()]

    with serve(reading) as server:
        reader = Reader(server.client())
        fields = ("Expect: 100-continue", "Transfer-Encoding: chunked")
        reader.client.send(request_bytes("/", *fields, method="POST"))
        assert reader.client.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        reader.client.send(b"4\r\nbody\r\n0\r\n\r\n")
        assert reader.receive().body == b"body4"


def test_the_url_can_be_put_together_again(serve: Serve) -> None:
    """URL Reconstruction: with a Host field, and without."""
    environ = environ_of(serve, "/a%20b/c?d=e%20f")
    assert request_uri(environ) == "http://localhost/a%20b/c?d=e%20f"
    del environ["HTTP_HOST"]
    port = environ["SERVER_PORT"]
    assert request_uri(environ) == f"http://127.0.0.1:{port}/a%20b/c?d=e%20f"
