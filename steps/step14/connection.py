"""A connection as asyncio sees it: a protocol, which is told what has happened."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, cast

from steps.app import answer
from steps.http11 import CONTINUE, BadRequest, Gatherer, Request, Response, Stage
from steps.step09.connection import MAX_JOINED_BYTES, MAX_LINGER_BYTES
from steps.step11.connection import ABORT, Phase
from steps.step11.deadlines import TICK_S
from steps.step11.server import LEAST_RATE

if TYPE_CHECKING:
    from steps.step14.server import Server

STAGES = {Stage.BETWEEN: Phase.IDLE, Stage.HEAD: Phase.HEADER, Stage.BODY: Phase.BODY}
LATE = {
    Phase.HEADER: BadRequest(408, "the header is late"),
    Phase.BODY: BadRequest(408, "the body is late"),
    Phase.HANDLER: BadRequest(503, "the handler is late"),
}


class Connection(asyncio.Protocol):
    """The transport has the socket and what is to be sent; the rest is here."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._requests = Gatherer(server.settings.limits)
        self._request: Request | None = None  # the one that a worker has
        self._taken = 0  # requests
        self._ended = False  # the client has said that it will send no more
        self._linger = 0  # after the last answer: bytes yet to be thrown away
        self._write_paused = False  # there is too much to send
        self._moved = 0  # bytes received, and given to the transport to be sent
        self._moved_before = 0  # ... of which had been moved when the phase began
        self._phase: Phase | None = None  # the one that the deadline is for
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # [events]
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        most = self._server.settings.max_buffered_bytes
        self.transport.set_write_buffer_limits(high=most, low=0)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        self._moved += len(data)
        if self._linger:
            self._linger -= len(data)
            if self._linger <= 0:
                self.transport.close()
            return
        self._requests.feed(data)
        if self._is_busy:
            self.transport.pause_reading()  # it has to wait for its turn
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
        self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        self._request = None
        if self._timer is not None:
            self._timer.cancel()
        self._server.closed(self)

    # [/events]

    # [advance]
    @property
    def _is_busy(self) -> bool:
        return self._request is not None or self._write_paused

    def _advance(self) -> None:
        """Take the requests that may be taken, and decide what to wait for."""
        while (
            not self._is_busy
            and not self._linger
            and not self.transport.is_closing()
            and self._requests.buffer
            and (request := self._next_request()) is not None
        ):
            self._take(request)
        if not self._is_busy:
            if self._ended:
                self.transport.close()  # when all has been sent
            else:
                self.transport.resume_reading()
        self._set_deadline()

    def _next_request(self) -> Request | None:
        requests = self._requests
        try:
            request = requests.next_request()
        except BadRequest as error:
            self._refuse(error)
            return None
        if requests.continue_due:
            requests.continue_due = False
            self._send(CONTINUE)
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
        elif server.submit(self, request):
            self._request = request
        else:
            self._refuse(BadRequest(503, "too many requests wait"))

    def deliver(self, request: Request, response: Response) -> None:
        """A worker has answered. Its client may have gone, or been told it is late."""
        if request is self._request:
            self._request = None
            self._answer(request, response)
            self._advance()

    def _answer(self, request: Request, response: Response) -> None:
        if len(response.body) <= MAX_JOINED_BYTES:
            self._send(response.encode(request, request.keep_alive))
        else:
            self._send(response.encode_head(request, request.keep_alive))
            # Cut where the kernel takes no more: bytes are copied for that, a view not.
            self._send(memoryview(response.encode_body(request)))
        if not request.keep_alive:
            self._finish()

    # [/advance]

    def _send(self, data: bytes | memoryview) -> None:
        self._moved += len(data)
        self.transport.write(data)

    def _refuse(self, error: BadRequest) -> None:
        """Answer what could not be understood, or was late."""
        response = Response(error.status, error.reason.encode())
        self._send(response.encode(None, keep_alive=False))
        self._finish()

    def _finish(self) -> None:
        """Say that nothing follows, when all is sent; and read on, for to close while
        input is unread sends a reset, which may overtake the answer."""
        self._linger = MAX_LINGER_BYTES
        with contextlib.suppress(OSError):  # the client has gone
            self.transport.write_eof()

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
        if self._request is not None:
            return Phase.HANDLER
        return STAGES[self._requests.stage]

    def _moved_now(self) -> int:
        return self._moved - self.transport.get_write_buffer_size()

    def _set_deadline(self) -> None:
        """When a phase begins; not when there is another byte in the same phase."""
        phase = self._phase_now()
        if phase is not self._phase:
            self._phase = phase
            self._moved_before = self._moved_now()
            self._wait_until(self._server.loop.time() + self._server.allowed_s[phase])

    def _wait_until(self, deadline: float) -> None:
        """A timer is set in O(log n), so one that comes too early is left as it is."""
        self._deadline = deadline
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._server.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._set_deadline()  # less than the limit may have been sent unnoticed
        if self._server.loop.time() < self._deadline:
            self._wait_until(self._deadline)
            return
        phase = self._phase_now()
        if phase is Phase.BODY or phase is Phase.WRITE:
            moved = self._moved_now()
            earned_s = (moved - self._moved_before) / LEAST_RATE
            if earned_s > TICK_S:
                self._moved_before = moved
                earned_s = min(earned_s, self._server.allowed_s[phase])
                self._wait_until(self._deadline + earned_s)
                return
        self._server.stats.expired += 1
        if phase in LATE:
            self._request = None  # its worker goes on
            self._refuse(LATE[phase])
            self._advance()
        else:
            self.abort()

    def abort(self) -> None:
        if self.transport.get_write_buffer_size():  # see step 11
            sock: socket.socket = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.transport.abort()

    # [/expire]
