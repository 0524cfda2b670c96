"""It has a name: the same server on asyncio, which has most of its parts.

What it does: asyncio's loop has the selector, the sockets, the output buffers, the
timers, and the way back from a thread. What is left to write is what a connection does
when bytes come, when they cannot go, when a handler has answered, and when time is up.

What it costs: a transport, a protocol and a timer for each connection, and several
calls of Python for each event. A worker is woken for each request, and the loop for
each response. What the kernel does not take of an answer at once is copied, up to
Python 3.11. --wsgi and --access-log are left out: they would be the same again.

See it work:
    python -m steps.step15 --header-timeout 10
    python -m lab silent http://127.0.0.1:8000 --connections 1 --half &   # told 408
    python -m lab load http://127.0.0.1:8000 --connections 100            # meanwhile
"""

import asyncio
import contextlib
import logging
import socket
from concurrent.futures import ThreadPoolExecutor

from steps.app import Application
from steps.step11.connection import Phase
from steps.step11.server import LINGER_TIMEOUT_S, MAX_NOT_SENT_BYTES
from steps.step12.acceptor import CLIENT_LEFT, LOG_INTERVAL_S, OVERLOAD_PAUSE_S
from steps.step12.server import DRAIN_IDLE_S
from steps.step12.settings import Settings
from steps.step15.connection import Connection, Stats

log = logging.getLogger(__name__)


class Server:
    """Serve `app` to the clients of a listening socket until `stop()`.

    As in step 12, `stop()` begins a drain, and `run()` closes the listener at its end.
    """

    def __init__(
        self,
        listener: socket.socket,
        app: Application,
        workers: int = 4,
        settings: Settings = Settings(),
    ) -> None:
        """ValueError for settings that this step does not have."""
        if settings.access_log:
            raise ValueError("--access-log is to be had in step12")
        listener.setblocking(False)
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_NOT_SENT_BYTES
        )
        self.stats = Stats()
        self.app = app
        self.settings = settings
        self.allowed_s = {
            phase: getattr(settings, f"{phase.name.lower()}_timeout", LINGER_TIMEOUT_S)
            for phase in Phase
        }
        self.executor = ThreadPoolExecutor(workers, "worker") if workers else None
        self.with_workers = 0  # requests, also of clients that have gone meanwhile
        self.is_draining = False
        self.loop = asyncio.new_event_loop()
        self._listener = listener
        self._is_watched = False
        self._next_log = 0.0
        self._connections: set[Connection] = set()
        self._drain = asyncio.Event()
        self._drained = asyncio.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self._serve())
        finally:
            self._listener.close()
            if self.executor is not None:
                # A handler that runs cannot be ended, and is not waited for.
                self.executor.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        self._watch()
        await self._drain.wait()
        self.is_draining = True
        self.loop.remove_reader(self._listener)
        self._accept()  # to close the listener would reset those that wait
        self._listener.close()
        self.allowed_s[Phase.IDLE] = DRAIN_IDLE_S
        for connection in self._connections:
            connection.drain()
        self.loop.call_later(self.settings.grace, self._drained.set)
        if self._connections:
            await self._drained.wait()
        for connection in self._connections:
            connection.abort()
        await asyncio.sleep(0)  # one round, for connection_lost() to be called

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._drain.set)

    # [accept]
    def _watch(self) -> None:
        if not self._is_watched and not self.is_draining:
            self._is_watched = True
            self.loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """`create_server()` would do it in one line, but it knows no limit, and when
        descriptors have run out it tries on and on, with a traceback for each time."""
        try:
            while len(self._connections) < self.settings.max_connections:
                sock, _ = self._listener.accept()
                connection = Connection(self)
                self._connections.add(connection)
                self.stats.accepted += 1
                self.stats.open = len(self._connections)
                self.loop.create_task(self._connect(connection, sock))
        except BlockingIOError:
            return  # all are accepted
        except OSError as error:
            if error.errno in CLIENT_LEFT:
                return
            self.loop.call_later(OVERLOAD_PAUSE_S, self._watch)
            if self.loop.time() >= self._next_log:
                self._next_log = self.loop.time() + LOG_INTERVAL_S
                log.warning("no room for another connection: %s", error.strerror)
        self._is_watched = False
        self.loop.remove_reader(self._listener)

    async def _connect(self, connection: Connection, sock: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: connection, sock)
        except OSError:  # macOS, when the client has gone
            sock.close()
            self.closed(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.stats.open = len(self._connections)
        self._watch()  # there is room again
        if self.is_draining and not self._connections:
            self._drained.set()

    # [/accept]
