"""A connection as asyncio sees it: a protocol, which is told what has happened."""

import asyncio
import contextlib
import socket
import typing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from steps.app import Application, answer
from steps.http11 import (
    BETWEEN,
    CONTINUE,
    IN_BODY,
    IN_HEAD,
    BadRequest,
    Gatherer,
    Request,
    Response,
)
from steps.step09.connection import MAX_JOINED_BYTES, MAX_LINGER_BYTES
from steps.step09.server import MAX_BUFFERED_BYTES
from steps.step11.connection import (
    ABORT,
    BODY,
    HANDLER,
    HEADER,
    IDLE,
    LINGER,
    WRITE,
    Phase,
)
from steps.step11.deadlines import TICK_S
from steps.step11.server import LEAST_RATE
from steps.step12.settings import Settings

STAGES = {BETWEEN: IDLE, IN_HEAD: HEADER, IN_BODY: BODY}
LATE = {
    HEADER: BadRequest(408, "the header is late"),
    BODY: BadRequest(408, "the body is late"),
    HANDLER: BadRequest(503, "the handler is late"),
}


@dataclass
class Stats:
    accepted: int = 0
    open: int = 0
    expired: int = 0


class ServerLike(typing.Protocol):
    """What a connection uses of the server that it belongs to.

    `server.py` imports this file, so this file cannot import `server.py`: each of the
    two would have to be loaded before the other. It lists what it needs instead. (Such
    a list is a protocol to Python's `typing`; asyncio's protocols are something else.)
    """

    app: Application
    settings: Settings
    stats: Stats
    allowed_s: dict[Phase, float]  # how long each phase may take, in seconds
    loop: asyncio.AbstractEventLoop
    executor: ThreadPoolExecutor | None  # None: handlers run in the loop
    with_workers: int  # requests that the executor has, and has not answered yet
    is_draining: bool

    def closed(self, connection: "Connection") -> None:
        """The connection is no more, and there is room for another."""


class Connection(asyncio.Protocol):
    """The transport has the socket and what is to be sent; the rest is here."""

    def __init__(self, server: ServerLike) -> None:
        self._server = server
        self._requests = Gatherer(server.settings.limits)
        self._request: Request | None = None  # the one that a worker has
        self._taken = 0  # requests
        self._ended = False  # the client has said that it will send no more
        self._linger = 0  # after the last answer: bytes that may still be thrown away
        self._write_paused = False  # too much is unsent: take no further request
        self._received = self._given = 0  # bytes: from the client; to the transport
        self._progress_before = 0  # what `progress` was when the deadline was set
        self.phase: Phase | None = None  # whose deadline is set; None: set a new one
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # [events]
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = typing.cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_BUFFERED_BYTES, low=0)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._linger:
            self._linger -= len(data)
            if self._linger <= 0:
                self._transport.close()
            return
        self._requests.feed(data)
        if self._is_busy:
            self._transport.pause_reading()  # this has to wait for its turn
        else:
            self._advance()

    def eof_received(self) -> bool:
        """The client has half-closed. True: leave the other half open."""
        self._ended = True
        self._advance()
        return True

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        # Not from here: the transport has not finished what it does, and _advance() may
        # close it. It would then end itself twice, and fail at the second time.
        if not self._transport.is_closing():
            self._server.loop.call_soon(self._advance)

    def connection_lost(self, error: Exception | None) -> None:
        self._request = None
        if self._timer is not None:
            self._timer.cancel()
        self._server.closed(self)

    # [/events]

    @property
    def _is_busy(self) -> bool:
        return self._request is not None or self._write_paused

    # [advance]
    def _advance(self) -> None:
        """Take the requests that may be taken, and decide what to wait for."""
        try:
            while (
                self._requests.buffer
                and not self._is_busy
                and not self._linger
                and not self._transport.is_closing()
                and (request := self._requests.next_request()) is not None
            ):
                self._take(request)
        except BadRequest as error:
            self._refuse(error)
        if self._requests.continue_due:
            self._requests.continue_due = False
            self._send(CONTINUE)
        if not self._is_busy:
            if self._linger:
                with contextlib.suppress(OSError):  # the client has gone
                    self._transport.write_eof()
            if self._ended:
                self._transport.close()  # it sends first what is unsent
            else:
                self._transport.resume_reading()
        self._set_deadline()

    # [/advance]

    def _take(self, request: Request) -> None:
        server = self._server
        self.phase = None  # the next one has its own time
        self._taken += 1
        if server.executor is None:
            self._answer(request, answer(server.app, request))
        elif server.with_workers < server.settings.max_connections:
            server.with_workers += 1
            self._request = request
            server.executor.submit(self._work, request)
        else:  # so many are under way, some for clients that have gone
            self._refuse(BadRequest(503, "too many requests wait"))

    def _work(self, request: Request) -> None:
        """In a worker."""
        response = answer(self._server.app, request)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._server.loop.call_soon_threadsafe(self._deliver, request, response)

    def _deliver(self, request: Request, response: Response) -> None:
        self._server.with_workers -= 1
        if request is self._request:  # else the client has gone, or it was late
            self._request = None
            self._answer(request, response)
            self._advance()

    def _answer(self, request: Request, response: Response) -> None:
        keep = (
            request.keep_alive
            and self._taken < self._server.settings.max_requests
            and not self._server.is_draining
        )
        if len(response.body) <= MAX_JOINED_BYTES:
            self._send(response.encode(request, keep))
        else:
            self._send(response.encode_head(request, keep))
            # asyncio cuts off what the kernel has taken. That copies the rest of bytes,
            # but not of a view.
            self._send(memoryview(response.encode_body(request)))
        if not keep:
            self._finish()

    def _send(self, data: bytes | memoryview) -> None:
        self._given += len(data)
        self._transport.write(data)

    def _refuse(self, error: BadRequest) -> None:
        """Answer what could not be understood, or was late."""
        response = Response(error.status, error.reason.encode())
        self._send(response.encode(None, keep_alive=False))
        self._finish()

    def _finish(self) -> None:
        """Take no further request. When all is sent, `_advance()` says that nothing
        follows, and reads on: to close while input is unread would send a reset, and
        the client could lose the answer (see step 09)."""
        self._linger = MAX_LINGER_BYTES
        self._transport.set_write_buffer_limits(high=0)  # to be told when all is sent

    def _phase_now(self) -> Phase:
        if self._transport.get_write_buffer_size():
            return WRITE
        if self._linger:
            return LINGER
        if self._request is not None:
            return HANDLER
        return STAGES[self._requests.stage()]

    @property
    def progress(self) -> int:
        """The bytes for which the phase is given more time: those that have been sent
        while the client reads, else those that have come."""
        if self.phase is WRITE:
            return self._given - self._transport.get_write_buffer_size()
        return self._received

    def _set_deadline(self) -> None:
        """Set it when a phase begins. Another byte in the same phase earns no time."""
        phase = self._phase_now()
        if phase is not self.phase:
            self.phase = phase
            self._progress_before = self.progress
            self._wait_until(self._server.loop.time() + self._server.allowed_s[phase])

    def _wait_until(self, deadline: float) -> None:
        """Have `_expire()` called at the deadline, or before it. To set a timer costs
        O(log n), so one that comes too early is left as it is; then this is called
        again."""
        self._deadline = deadline
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._server.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        # The answer may have been sent meanwhile, and another phase begun: a transport
        # that has not said pause_writing() does not say either when all is sent.
        self._set_deadline()
        phase = self._phase_now()
        if phase is BODY or phase is WRITE:
            progress = self.progress
            earned_s = (progress - self._progress_before) / LEAST_RATE
            if earned_s > TICK_S and self._server.loop.time() >= self._deadline:
                self._progress_before = progress
                self._deadline += min(earned_s, self._server.allowed_s[phase])
        if self._server.loop.time() < self._deadline:
            self._wait_until(self._deadline)
            return
        self._server.stats.expired += 1
        if phase in LATE:
            self._request = None  # a worker that has it goes on
            self._refuse(LATE[phase])
            self._advance()
        else:
            self.abort()

    def drain(self) -> None:
        """The server drains: if the client is idle, it has less time from now on."""
        if self.phase is IDLE:
            self.phase = None
            self._set_deadline()

    def abort(self) -> None:
        if self._transport.get_write_buffer_size():  # with a reset: see step 11
            sock: socket.socket = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self._transport.abort()
