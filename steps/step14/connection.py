"""A connection as asyncio sees it: a protocol, which is told what has happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from steps.app import answer
from steps.http11 import CONTINUE, BadRequest, Gatherer, Request, Response, Stage
from steps.step09.connection import MAX_JOINED_BYTES, MAX_LINGER_BYTES
from steps.step11.connection import Phase
from steps.step11.deadlines import TICK_S
from steps.step11.server import LEAST_RATE

if TYPE_CHECKING:
    from steps.step14.server import Server

STAGES = {Stage.BETWEEN: Phase.IDLE, Stage.HEAD: Phase.HEADER, Stage.BODY: Phase.BODY}


class Connection(asyncio.Protocol):
    """The transport owns the socket and the output buffer; the rest is here."""

    __slots__ = (
        "_deadline",
        "_ended",
        "_linger",
        "_moved",
        "_moved_before",
        "_phase",
        "_request",
        "_requests",
        "_server",
        "_taken",
        "_timer",
        "_work",
        "_write_paused",
        "transport",
    )
    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._requests: Gatherer | None = None  # a client that is silent needs none
        self._request: Request | None = None  # the one that a worker has
        self._work: asyncio.Future[Response] | None = None  # and what it will say
        self._taken = 0  # requests
        self._ended = False  # the client has said that it will send no more
        self._linger = 0  # after the last answer: bytes yet to be thrown away
        self._write_paused = False  # the output buffer is full
        self._moved = 0  # bytes received, and given to the transport to be sent
        self._moved_before = 0  # ... of which had been moved when the phase began
        self._phase: Phase | None = None  # the one that the deadline is for
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # [events]
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(
            high=self._server.settings.max_buffered_bytes, low=0
        )
        self._server.opened(self)
        if len(self._server.connections) > self._server.settings.max_connections:
            self._refuse(BadRequest(503, "too many connections"))
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        self._moved += len(data)
        if self._linger:
            self._linger -= len(data)
            if self._linger <= 0:
                self.transport.close()
            return
        if self._requests is None:
            self._requests = Gatherer(self._server.settings.limits)
        self._requests.feed(data)
        if self._work is not None or self._write_paused:
            self.transport.pause_reading()  # it has to wait for its turn
        else:
            self._advance()

    def eof_received(self) -> bool:
        """The client has half-closed. True: leave the other half open."""
        self._ended = True
        if not self._linger:
            self._advance()
        return not self._linger

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._work.cancel()  # if no worker has begun it, none will
        self._server.closed(self)

    # [/events]

    # [advance]
    def _advance(self) -> None:
        """Take the requests that may be taken."""
        while (
            self._work is None
            and not self._write_paused
            and not self._linger
            and not self.transport.is_closing()
            and (request := self._next_request()) is not None
        ):
            self._take(request)
        if self._work is None and not self._write_paused:
            if self._ended:
                self.transport.close()  # when all has been sent
                return
            self.transport.resume_reading()
        self._set_deadline()

    def _next_request(self) -> Request | None:
        requests = self._requests
        if requests is None or not requests.buffer:
            return None
        try:
            request = requests.next_request()
        except BadRequest as error:
            self._refuse(error)
            return None
        if request is None and requests.continue_due:
            requests.continue_due = False
            self.transport.write(CONTINUE)
        return request

    def _take(self, request: Request) -> None:
        server = self._server
        self._phase = None  # what follows is another request's
        self._taken += 1
        server.stats.requests += 1
        if server.is_draining or self._taken >= server.settings.max_requests:
            request.keep_alive = False
        if server.executor is None:
            self._answer(request, answer(server.app, request))
        else:
            self._request = request
            self._work = server.loop.run_in_executor(
                server.executor, answer, server.app, request
            )
            self._work.add_done_callback(self._deliver)

    def _deliver(self, work: asyncio.Future[Response]) -> None:
        """A worker has answered; or the client has gone, or its time was up."""
        if self._work is work and not work.cancelled():
            assert self._request is not None
            self._answer(self._request, work.result())
            self._work = self._request = None
            self._advance()

    def _answer(self, request: Request, response: Response) -> None:
        keep = request.keep_alive
        if len(response.body) <= MAX_JOINED_BYTES:
            self._send(response.encode(request, keep))
        else:
            self._send(response.encode_head(request, keep))
            self._send(response.encode_body(request))
        if not keep:
            self._finish()

    # [/advance]

    def _send(self, data: bytes) -> None:
        self._moved += len(data)
        # What the kernel does not take at once is cut off, and kept: a view is not
        # copied when it is cut.
        self.transport.write(memoryview(data))

    def _refuse(self, error: BadRequest) -> None:
        """Answer what could not be understood, or was late."""
        response = Response(error.status, error.reason.encode())
        self._send(response.encode(None, keep_alive=False))
        self._finish()

    def _finish(self) -> None:
        """Say that nothing follows, when all is sent; and read on, for to close while
        input is unread sends a reset, which may overtake the answer."""
        self._linger = MAX_LINGER_BYTES
        try:
            if self._ended:
                self.transport.close()
            else:
                self.transport.write_eof()
        except OSError:
            self.transport.abort()  # the client has gone

    def drain(self) -> None:
        if self._request is not None:
            self._request.keep_alive = False
        if self._phase is Phase.IDLE:
            self._phase = None  # there is less time now
            self._set_deadline()

    # [expire]
    def _phase_now(self) -> Phase:
        if self.transport.get_write_buffer_size():
            return Phase.WRITE
        if self._linger:
            return Phase.LINGER
        if self._work is not None:
            return Phase.HANDLER
        return STAGES[self._requests.stage] if self._requests else Phase.IDLE

    def _set_deadline(self) -> None:
        """When a phase begins. A timer of asyncio has its place in a heap, in O(log n);
        so one that comes too early is not replaced, but finds that out."""
        phase = self._phase_now()
        if phase is self._phase:
            return
        self._phase = phase
        self._moved_before = self._moved - self.transport.get_write_buffer_size()
        self._wait_until(self._server.loop.time() + self._server.allowed_s[phase])

    def _wait_until(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None and deadline < self._timer.when():
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._server.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        phase, before = self._phase_now(), self._phase
        if phase is not before:  # a buffer that was not full tells nobody it is empty
            self._set_deadline()
            return
        if self._server.loop.time() < self._deadline:
            self._wait_until(self._deadline)
            return
        if phase is Phase.BODY or phase is Phase.WRITE:
            moved = self._moved - self.transport.get_write_buffer_size()
            earned_s = (moved - self._moved_before) / LEAST_RATE
            if earned_s > TICK_S:
                self._moved_before = moved
                self._wait_until(self._deadline + earned_s)
                return
        self._server.stats.expired += 1
        if phase is Phase.HEADER or phase is Phase.BODY:
            self._refuse(BadRequest(408, f"the {phase.name.lower()} is late"))
            self._advance()
        elif phase is Phase.HANDLER:
            self._work = self._request = None  # its worker goes on
            self._refuse(BadRequest(503, "the handler is late"))
            self._advance()
        else:
            self.transport.abort()

    # [/expire]
