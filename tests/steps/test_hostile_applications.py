"""What an application's objects raise, wherever the server touches them, costs their
request at most: a 500, or an answer that breaks off. `stop()` alone ends the loop."""

# ruff: noqa: F811 - `step` and `serve` are fixtures
import contextlib
import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from steps.http11 import Request, Response
from steps.step13.settings import Settings
from tests.steps.harness import DESIGNS, Running, request_bytes, serving
from tests.steps.test_wsgi import (  # noqa: F401
    TEXT,
    Body,
    Environ,
    Reader,
    Serve,
    answers,
    serve,
    step,
    with_ok,
)

ERRORS = [
    RuntimeError,
    MemoryError,
    StopIteration,
    GeneratorExit,
    KeyboardInterrupt,
    SystemExit,
]
# What Python may ask of an object of an application.
STR_METHODS = (
    "eq hash str repr format len iter getitem contains add radd mod "
    "lower upper encode isdecimal strip partition"
)
BYTES_METHODS = "len bool iter getitem add radd mod repr eq hash bytes format"

Error = type[BaseException]
Act = Callable[[Environ, Any, Error], Any]


def hostile(base: type, methods: str, error: Error) -> Any:
    """A subclass of `base` whose methods raise: `len` is __len__(), `lower` lower()."""

    def raises(self: Any, *arguments: Any, **more: Any) -> Any:
        raise error("hostile")

    names = methods.split()
    names += [f"__{name}__" for name in names]
    return type("Hostile", (base,), dict.fromkeys(names, raises))


PLACES: dict[str, Act] = {}


def place(name: str) -> Callable[[Act], Act]:
    def remember(act: Act) -> Act:
        PLACES[name] = act
        return act

    return remember


@place("the call")
def raise_in_call(environ: Environ, start_response: Any, error: Error) -> Any:
    raise error("hostile")


@place("an exception that cannot be shown")
def raise_what_raises(environ: Environ, start_response: Any, error: Error) -> Any:
    def raises(self: Any) -> str:
        raise error("hostile")

    raise type("Hostile", (error,), {"__str__": raises, "__repr__": raises})()


for _name in ("iter", "len", "bool", "del", "getitem", "length_hint", "close"):

    @place(f"__{_name}__ of what is returned")
    def raise_in_method(
        environ: Environ, start_response: Any, error: Error, name: str = _name
    ) -> Any:
        start_response("200 OK", TEXT)
        return hostile(list, name, error)([b"a", b"b"])


@place("the attributes of what is returned")
def raise_in_getattr(environ: Environ, start_response: Any, error: Error) -> Any:
    class Hostile(list[bytes]):
        def __getattribute__(self, name: str) -> Any:
            raise error("hostile")

    start_response("200 OK", TEXT)
    return Hostile([b"a"])


for _after in range(3):

    @place(f"__next__ after {_after} pieces")
    def raise_in_next(
        environ: Environ, start_response: Any, error: Error, after: int = _after
    ) -> Any:
        class Hostile:
            given = 0

            def __iter__(self) -> Any:
                return self

            def __next__(self) -> bytes:
                if self.given == after:
                    raise error("hostile")
                self.given += 1
                return b"x" * 20_000

        start_response("200 OK", TEXT)
        return Hostile()


for _how in "list", "pieces", "length", "nothing":

    @place(f"close() after {_how}")
    def raise_in_close(
        environ: Environ, start_response: Any, error: Error, how: str = _how
    ) -> Any:
        def close() -> None:
            raise error("hostile")

        start_response("200 OK", [("Content-Length", "2")] if how == "length" else [])
        return Body([] if how == "nothing" else [b"a", b"b"], close)


for _name in STR_METHODS.split():

    @place(f"{_name} of a status")
    def raise_in_status(
        environ: Environ, start_response: Any, error: Error, name: str = _name
    ) -> Any:
        start_response(hostile(str, name, error)("200 OK"), TEXT)
        return [b"a"]

    @place(f"{_name} of a field")
    def raise_in_field(
        environ: Environ, start_response: Any, error: Error, name: str = _name
    ) -> Any:
        kind = hostile(str, name, error)
        start_response("200 OK", [(kind("X-Name"), kind("value"))])
        return [b"a"]

    @place(f"{_name} of a Content-Length")
    def raise_in_length(
        environ: Environ, start_response: Any, error: Error, name: str = _name
    ) -> Any:
        kind = hostile(str, name, error)
        start_response("200 OK", [(kind("Content-Length"), kind("1"))])
        return [b"a"]


@place("the list of fields")
def raise_in_fields(environ: Environ, start_response: Any, error: Error) -> Any:
    start_response("200 OK", hostile(list, "iter len getitem eq hash", error)(TEXT))
    return [b"a"]


@place("a field that is a tuple")
def raise_in_tuple(environ: Environ, start_response: Any, error: Error) -> Any:
    start_response("200 OK", [hostile(tuple, "iter len eq hash", error)(("X", "a"))])
    return [b"a"]


for _name in BYTES_METHODS.split():
    for _how in "list", "pieces", "length", "write":

        @place(f"{_name} of a chunk, {_how}")
        def raise_in_chunk(
            environ: Environ,
            start_response: Any,
            error: Error,
            name: str = _name,
            how: str = _how,
        ) -> Any:
            length = [("Content-Length", "2")] if how == "length" else []
            write = start_response("200 OK", length)
            chunks = [hostile(bytes, name, error)(b"a")] * 2
            if how == "write":
                for chunk in chunks:
                    write(chunk)
            return chunks if how == "list" else Body(chunks)


@place("a chunk that is no bytes")
def raise_in_repr(environ: Environ, start_response: Any, error: Error) -> Any:
    start_response("200 OK", TEXT)
    yield hostile(object, "repr bool len iter buffer class", error)()


@place("a chunk that says it is bytes")
def raise_in_class(environ: Environ, start_response: Any, error: Error) -> Any:
    def raises(self: Any) -> Any:
        raise error("hostile")

    start_response("200 OK", TEXT)
    yield type("Hostile", (), {"__class__": property(raises)})()


@place("exc_info")
def raise_in_exc_info(environ: Environ, start_response: Any, error: Error) -> Any:
    class HostileError(Exception):
        def with_traceback(self, traceback: Any) -> Any:
            raise error("hostile")

    write = start_response("200 OK", TEXT)
    write(b"begun")
    start_response("500 No", TEXT, (HostileError, HostileError(), None))
    return []


@place("the environ")
def clear_the_environ(environ: Environ, start_response: Any, error: Error) -> Any:
    environ.clear()
    environ[hostile(str, "hash", TypeError).__name__] = hostile(object, "del", error)()
    start_response("200 OK", TEXT)
    return [b"a"]


@place("a body's file, closed")
def close_the_input(environ: Environ, start_response: Any, error: Error) -> Any:
    environ["wsgi.input"].close()
    start_response("200 OK", TEXT)
    return [b"a"]


@place("a body's file, detached")
def detach_the_input(environ: Environ, start_response: Any, error: Error) -> Any:
    if isinstance(environ["wsgi.input"], io.BufferedRandom):
        environ["wsgi.input"].detach().close()
    start_response("200 OK", TEXT)
    return [b"a"]


@place("a body's file, its close() replaced")
def replace_close(environ: Environ, start_response: Any, error: Error) -> Any:
    stream = environ["wsgi.input"]

    def close() -> None:
        type(stream).close(stream)
        raise error("hostile")

    if isinstance(stream, io.BufferedRandom):
        stream.close = close  # type: ignore[method-assign]
    start_response("200 OK", TEXT)
    return [b"a"] if environ["QUERY_STRING"] else iter([b"a"])


@place("a thread that calls, too")
def call_from_a_thread(environ: Environ, start_response: Any, error: Error) -> Any:
    write = start_response("200 OK", TEXT)

    def meddle() -> None:
        with contextlib.suppress(RuntimeError):
            write(b"x")
        with contextlib.suppress(AssertionError):
            start_response("200 OK", TEXT)

    thread = threading.Thread(target=meddle)
    thread.start()
    write(b"from the application")
    thread.join()
    return [b"a"]


def survives(server: Running, name: str) -> None:
    """More often than there are workers: each of them may be lost."""
    for number in range(5):
        client = server.client()
        body = b"x" * 200_000 if "file" in name else b""
        client.send(request_bytes("/?1"[: 1 + number], "Connection: close", body=body))
        data = b"".join(iter(client.receive_some, b""))
        assert data[:9] in (b"HTTP/1.1 ", b""), (name, data[:99])
        assert data[9:12] in (b"200", b"500", b""), (name, data[:99])
        client.close()
    assert answers(server), name


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("error", ERRORS)
def test_every_place_in_which_an_application_can_raise(
    serve: Serve, error: Error
) -> None:
    act: Act

    def application(environ: Environ, start_response: Any) -> Any:
        return act(environ, start_response, error)

    with serve(with_ok(application)) as server:
        kept = Reader(server.client())
        assert kept.ask("/ok").body == b"ok"
        for name in PLACES:
            act = PLACES[name]
            survives(server, name)
            assert kept.ask("/ok").body == b"ok", name


# --- Applications of the kind that the steps before serve ----------------------------


def delete_body(response: Response) -> None:
    del response.body


NONSENSE: dict[str, Callable[[Response], None]] = {
    "del body": delete_body,
    **{
        f"{name} = {value!r}": lambda response, name=name, value=value: setattr(  # type: ignore[misc]
            response, name, value
        )
        for name, value in [
            ("body", None),
            ("body", "text"),
            ("body", 7),
            ("body", [b"a"]),
            ("status", None),
            ("status", "200 OK"),
            ("status", 20),
            ("status", 2000),
            ("status", 200.5),
            ("_lines", None),
            ("_lines", "X: y"),
        ]
    },
    "a hostile body": lambda response: setattr(
        response, "body", hostile(bytes, BYTES_METHODS, SystemExit)(b"a")
    ),
    "a hostile status": lambda response: setattr(
        response, "status", hostile(int, "eq hash index int format", SystemExit)(200)
    ),
}


@pytest.mark.parametrize("step", DESIGNS)
def test_a_response_that_was_changed_after_it_was_made(step: str) -> None:
    name = ""

    def application(request: Request) -> Response:
        response = Response(200, b"ok")
        if request.target == "/nonsense":
            NONSENSE[name](response)
        return response

    with serving(step, application) as server:
        for name in NONSENSE:
            for _ in range(5):  # more often than there are workers
                assert server.client().ask("/nonsense").status == 500, name
        assert server.client().ask("/").body == b"ok"


@pytest.mark.parametrize("step", ["step13", "step13-0"])
def test_a_request_that_was_changed_and_is_logged(step: str) -> None:
    def application(request: Request) -> Response:
        if request.target == "/change":
            request.target = request.method = request.version = None  # type: ignore[assignment]
        return Response(200, b"ok")

    with serving(step, application, settings=Settings(access_log=True)) as server:
        for _ in range(5):
            assert server.client().ask("/change").status == 200
            assert server.client().ask("/").status == 200


# --- Where it is written down --------------------------------------------------------


class BrokenStream(io.TextIOBase):
    """In place of standard error, and of standard output."""

    def __init__(self, error: Error) -> None:
        self._raised = error

    @property
    def buffer(self) -> Any:
        raise self._raised("hostile")

    def write(self, text: str) -> int:
        raise self._raised("hostile")


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("what", ["stream", "closed", "handler", "filter"])
def test_a_log_that_fails(
    serve: Serve, error: Error, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an application raises is logged; and that raises, too."""

    def raises(*arguments: Any) -> Any:
        raise error("hostile")

    stream: Any = BrokenStream(error)
    if what == "closed":
        stream = io.StringIO()
        stream.close()
    handler = logging.StreamHandler(stream)
    if what == "handler":
        handler.emit = raises  # type: ignore[method-assign,assignment]
    elif what == "filter":
        handler.filter = raises  # type: ignore[method-assign,assignment]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)  # where the access log goes
    logging.getLogger().addHandler(handler)
    names = ["the call", "close() after pieces", "__next__ after 1 pieces"]
    name = ""

    def application(environ: Environ, start_response: Any) -> Any:
        return PLACES[name](environ, start_response, error)

    try:
        with serve(with_ok(application)) as server:
            for name in names:
                survives(server, name)
    finally:
        logging.getLogger().removeHandler(handler)
