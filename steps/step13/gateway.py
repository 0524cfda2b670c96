"""Serve a WSGI application (PEP 3333): a request goes in, bytes to be sent come out."""

import importlib
import time
from collections.abc import Callable, Iterable
from threading import get_ident
from types import TracebackType
from typing import Any, Literal

from steps.app import report
from steps.http11 import Request, Response
from steps.step09.connection import MAX_JOINED_BYTES
from steps.step13.connection import Answer, Connection, Pieces, rest
from steps.step13.environ import Environ, Environs
from steps.step13.head import (
    MAX_REMEMBERED_STARTS,
    Headers,
    Start,
    make_head,
    remembered_head,
)
from steps.step13.workers import Gone

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse = Callable[..., Callable[[bytes], None]]
# Sends a piece of an answer; raises Gone if there is nobody to send to.
Send = Callable[[Connection, Request, bytes], None]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]


def load(name: str) -> WsgiApplication:
    """The callable that MODULE:CALLABLE names. ValueError: there is none. Its cause is
    the error of the module, if it has one."""
    module_name, colon, path = name.partition(":")
    if not colon or module_name[:1] in ("", "."):
        raise ValueError(f"--wsgi {name!r}: write it as MODULE:CALLABLE")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        # That there is no such module says it all. Else it is the module that fails,
        # and only the traceback says where.
        is_missing = (
            isinstance(error, ModuleNotFoundError) and error.name == module_name
        )
        raise ValueError(f"--wsgi {name!r}: {error}") from None if is_missing else error
    try:
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except AttributeError as error:
        raise ValueError(f"--wsgi {name!r}: {error}") from None
    if not callable(found):
        raise ValueError(f"--wsgi {name!r}: it cannot be called")
    return found  # type: ignore[no-any-return]


class Gateway:
    """A handler: calls the application, and makes an answer of what that gives.

    send: called for an application that sends by `write()`, with the connection and the
    bytes, before the application has returned.
    """

    def __init__(
        self,
        application: WsgiApplication,
        server: tuple[str, int],
        has_threads: bool,
        has_processes: bool,
        send: Send,
    ) -> None:
        self._application = application
        self._send = send
        # What has been found good. The next answer is likely to have the same.
        self._starts: dict[tuple[str, Headers], Start] = {}
        self._environs = Environs(server, has_threads, has_processes)

    # [call]
    def __call__(self, connection: Connection, request: Request) -> Answer:
        exchange = Exchange(connection, request, self._send, self._starts)
        try:
            environ = self._environs.make(connection, request)
            chunks = self._application(environ, exchange.start_response)
            if (type(chunks) is list or type(chunks) is tuple) and not exchange.begun:
                # Most answers are like this, and need no generator.
                return exchange.whole(b"".join(chunks))
            pieces = exchange.pieces(chunks)
            first = next(pieces)
            if exchange.left == 0:  # that is all: do not ask for more
                pieces.close()
                return first, exchange.keep, None
            return first, None, pieces
        except BaseException as error:
            exchange.close()
            if not isinstance(error, Gone):
                report("%s %s failed", request.method, request.target)
            if exchange.begun:  # a 500 would be read as the rest of the body
                return b"", False, None
            response = Response(500, b"500 the application failed\n")
            keep = request.keep_alive
            return response.encode(request, keep), keep, None

    # [/call]


class Exchange:
    """One request and the response to it, as the application sees them.

    It belongs to the thread that calls the application, and it ends once: before the
    last piece of the answer is given away. What the application calls after that is
    refused there. Else it would be sent behind the answer, and the client would take it
    for the answer to its next request.
    """

    __slots__ = (
        *("_chunked", "_connection", "_request", "_send", "_start", "_starts"),
        *("_thread", "begun", "keep", "left"),
    )

    def __init__(
        self,
        connection: Connection,
        request: Request,
        send: Send,
        starts: dict[tuple[str, Headers], Start],
    ) -> None:
        self._connection = connection
        self._request = request
        self._starts = starts
        self._send: Send | None = send  # None: it is over
        self._thread = get_ident()
        # What start_response() was given; None: it has not been called; False: what it
        # was given must not be sent.
        self._start: Start | Literal[False] | None = None
        self.begun = False  # the head has been encoded, and cannot be changed
        self.left: int | None = None  # bytes of the body that are still due, if known

    # [start-response]
    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        if self._send is None:
            raise RuntimeError("start_response(): the answer is over")
        if exc_info is not None:
            try:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it and this frame would keep each other in memory
        elif self._start is not None:
            raise AssertionError("start_response() has been called before")
        self._start = False
        key = status, tuple(headers)
        try:
            start = self._starts.get(key)
        except BaseException:  # raised by a subclass of str when it was compared
            start = None
        if start is None:
            start = Start(*key)
            if start.is_remembered:
                if len(self._starts) >= MAX_REMEMBERED_STARTS:
                    self._starts.clear()
                self._starts[key] = start
        self._start = start
        return self.write

    # [/start-response]

    # [write]
    def write(self, data: bytes) -> None:
        """What `start_response()` gives, for an application that cannot return its body
        as an iterable (PEP 3333).

        Another thread could call it at the very moment when the answer ends, or when
        another piece is made, so it is for the exchange's own.
        """
        send = self._send
        if send is None:
            raise RuntimeError("write(): the answer is over")
        if get_ident() != self._thread:
            raise RuntimeError("write(): this is not the thread of the application")
        data = exact_bytes(data)
        if not data:
            return
        head = b"" if self.begun else self._begin()
        left = self.left
        piece = head + self._encode(data)
        try:
            if piece:
                send(self._connection, self._request, piece)
        except BaseException:
            self._send = None  # a part is missing, so nothing may follow
            raise
        if left is not None and len(data) > left and not self._is_silent():
            raise ValueError(f"write(): more than the Content-Length: {data!r:.99}")

    # [/write]

    def whole(self, body: bytes) -> Answer:
        """The whole response, where nothing of it has been sent."""
        length = len(body)
        head, due, _, keep = self._head(length)
        if due != length:  # there must be no body, or it is not as announced
            body = body[:due]
            if due != len(body):
                raise ValueError(f"a body of {length} bytes, not {due}")
        self._send = None
        if self._request.body_file is not None:
            self.close()
        if length <= MAX_JOINED_BYTES:
            return head + body, keep, None
        return head, None, rest(body, keep)

    # [pieces]
    def pieces(self, chunks: Iterable[bytes]) -> Pieces:
        """The response, in pieces, as the application makes it: one, at least."""
        try:
            for data in chunks:
                if type(data) is not bytes:
                    data = exact_bytes(data)
                if len(data) > MAX_JOINED_BYTES and not self.begun:
                    yield self._begin()  # by itself, so that data is not copied
                if data:
                    head = b"" if self.begun else self._begin()
                    yield head + self._encode(data)
                if self.left == 0:
                    return self.keep
            if not self.begun:
                last, keep, _ = self.whole(b"")
                yield last
                return bool(keep)
            if self.left or self._send is None:
                raise ValueError(f"the body ends too early: {self.left} bytes are due")
            self._send = None
            yield b"0\r\n\r\n" if self._chunked else b""
            return self.keep
        finally:
            self._send = None
            try:
                if hasattr(chunks, "close"):
                    chunks.close()
            except BaseException:  # it does not spoil the answer
                report("close() failed")
            self.close()

    # [/pieces]

    def _encode(self, data: bytes) -> bytes:
        """A part of the body."""
        if self._send is None:
            raise RuntimeError(
                "a part of the answer could not be sent: no other can be"
            )
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(data), data)
        if self.left is not None:
            if len(data) > self.left:
                data = data[: self.left]  # more than was announced is never sent
            self.left -= len(data)
        return data

    def _begin(self) -> bytes:
        """The head; from now on it cannot be changed."""
        head, self.left, self._chunked, self.keep = self._head(None)
        self.begun = True
        return head

    def _head(self, length: int | None) -> tuple[bytes, int | None, bool, bool]:
        """length: of the body, if all of it is there."""
        start = self._start
        if not start:
            raise AssertionError("start_response() has not been called, or in vain")
        request = self._request  # whose keep_alive a drain may have changed meanwhile
        second, is_head = int(time.time()), request.method == "HEAD"
        return (remembered_head if start.is_remembered else make_head)(
            start, second, length, is_head, request.version, request.keep_alive
        )

    def _is_silent(self) -> bool:
        """Whether there must be no body, whatever the application gives."""
        assert self._start
        return self._request.method == "HEAD" or not self._start.has_body

    def close(self) -> None:
        """The answer is over, or there is none."""
        self._send = None
        try:
            if self._request.body_file is not None:
                self._request.body_file.close()
        except BaseException:  # the application has had that file
            report("the file of a body could not be closed")


def exact_bytes(data: bytes) -> bytes:
    """The same bytes, without the methods that a subclass may have put over theirs."""
    if not isinstance(data, bytes):
        raise TypeError(f"not bytes but {type(data).__name__}: {data!r:.99}")
    return b"".join((data,))
