"""Any application: a server whose answers may be many pieces, and WSGI on it.

What it does: it is the server of step 12. Where that one puts an answer behind what is
to be sent, this one puts its first piece, and asks for another when the client has read
enough. So an answer may be longer than the memory, and an application may be anybody's.

What it costs: an application may do anything, at any time: raise, return nonsense, call
back when its answer is over. Each place where it is called has to say what follows.

See it work:
    python -m steps.step13 --wsgi wsgiref.simple_server:demo_app
    python -m lab probe http://127.0.0.1:8000
"""

import selectors
import socket
import time
from collections.abc import Callable

from steps.app import Application, answer
from steps.http11 import BadRequest, Reader, Request
from steps.step09.connection import MAX_JOINED_BYTES
from steps.step10.connection import FOR_ANSWER, NOTHING, Wait
from steps.step10.server import QUEUE_CAPACITY
from steps.step12 import server
from steps.step13.body import SpoolingGatherer
from steps.step13.connection import Answer, Connection, rest
from steps.step13.gateway import Gateway, load
from steps.step13.settings import Settings
from steps.step13.workers import Gone, WorkerPool


class Server(server.Reactor[Connection]):
    """Serve `app`, or a WSGI application, to the clients of a listening socket."""

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Settings = Settings(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ValueError for settings that make no sense."""
        handle: Callable[[Connection, Request], Answer]
        reader = Reader(settings.limits)
        self._makes_environs = bool(settings.wsgi)
        if settings.wsgi:
            host, port = listener.getsockname()[:2]
            send = self._send_in_worker if workers else self._send_in_loop
            concurrency = workers > 1, settings.is_one_of_many
            handle = Gateway(load(settings.wsgi), (host, port), *concurrency, send)
            reader = Reader(settings.limits, SpoolingGatherer)
        else:
            handle = native(app)
        self._workers = WorkerPool(workers, QUEUE_CAPACITY, handle)
        self._max_buffered = settings.max_buffered_bytes
        super().__init__(listener, self._workers, Connection, reader, settings, clock)

    def _handle(self, connection: Connection, request: Request) -> None:
        # A worker makes the environ, which has the client's address. But no worker asks
        # a socket for it: the loop may close it at any time, and another client's may
        # have its number by the time that the kernel is asked who is there.
        if self._makes_environs and not connection.peer:
            connection.ask_for_peer()
        server.Reactor._handle(self, connection, request)

    # [pieces]
    def _ready_while_busy(self, connection: Connection) -> None:
        if connection.stream is None:
            super()._ready_while_busy(connection)
        else:  # its client has read all that there was
            connection.phase = None
            connection.add(*connection.pull())
            self._advance(connection)

    def _answered(
        self, connection: Connection, request: Request, response: Answer
    ) -> None:
        data, keep, connection.stream = response
        connection.phase = None  # what follows has its own time
        connection.add(data, keep)

    def _wait(self, connection: Connection) -> Wait:
        wait = server.Reactor._wait(self, connection)
        if wait is NOTHING:
            return wait
        if wait is FOR_ANSWER and connection.stream is not None:
            self._watch(connection, selectors.EVENT_WRITE)  # for its next piece
        if connection.room is not None and connection.unsent <= self._max_buffered:
            connection.make_room()
        return wait

    # [/pieces]

    def _refusal(self, connection: Connection) -> BadRequest | None:
        """An answer that has begun cannot become a 503 any more: it is broken off."""
        return None if connection.begun else super()._refusal(connection)

    # [write]
    def _send_in_loop(
        self, connection: Connection, request: Request, data: bytes
    ) -> None:
        """What `write()` does where there are no workers. The loop cannot wait for the
        client, and must not keep for it whatever the application writes."""
        try:
            connection.flush()
            if connection.unsent > self._max_buffered:
                raise RuntimeError(
                    "write(): the client does not read, and nobody can wait for it: "
                    "return an iterable, or have --workers"
                )
            connection.add(data, None)
            connection.flush()
        except OSError:
            raise Gone from None

    def _send_in_worker(
        self, connection: Connection, request: Request, data: bytes
    ) -> None:
        self._workers.send(connection, request, data)

    # [/write]


def native(app: Application) -> Callable[[Connection, Request], Answer]:
    """The handler for an application of the kind that the steps before have served."""

    def handle(_: Connection, request: Request) -> Answer:
        response, keep = answer(app, request), request.keep_alive
        if len(response.body) <= MAX_JOINED_BYTES:
            return response.encode(request, keep), keep, None
        body = response.encode_body(request)
        return response.encode_head(request, keep), None, rest(body, keep)

    return handle
