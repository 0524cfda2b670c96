"""It has a name: the same server on asyncio, which has most of its parts.

What it does: asyncio's loop has the selector, the sockets, the output buffers and the
timers. What is left to write is what a connection does when bytes come, when they
cannot go, when a handler has answered, and when time is up.

What it costs: a transport, a protocol and a timer for each connection, and a look at
each by Python for each event. Some of what step 12 has is not to be had: accepting
cannot be paused, so whoever is too many is told so, with a 503. --wsgi and --access-log
are left out, for they would be the same again.

See it work:
    python -m steps.step14 --workers 4 --header-timeout 2
    printf 'GET / HT' | nc 127.0.0.1 8000    # 408 after two seconds
"""

import asyncio
import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from steps.app import Application
from steps.command import BACKLOG
from steps.step11.connection import Phase
from steps.step11.server import LINGER_TIMEOUT_S
from steps.step12.server import DRAIN_IDLE_S
from steps.step12.settings import Settings
from steps.step14.connection import Connection


@dataclass
class Stats:
    accepted: int = 0
    open: int = 0
    requests: int = 0
    expired: int = 0


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
        """ValueError for settings that are not to be had here."""
        if settings.wsgi or settings.access_log:
            raise ValueError("--wsgi and --access-log are to be had in step12")
        self.stats = Stats()
        self.app = app
        self.settings = settings
        self.allowed_s = {
            Phase.IDLE: settings.idle_timeout,
            Phase.HEADER: settings.header_timeout,
            Phase.BODY: settings.body_timeout,
            Phase.HANDLER: settings.handler_timeout,
            Phase.WRITE: settings.write_timeout,
            Phase.LINGER: LINGER_TIMEOUT_S,
        }
        self.executor = ThreadPoolExecutor(workers, "worker") if workers else None
        self.connections: set[Connection] = set()
        self.is_draining = False
        self.loop = asyncio.new_event_loop()
        self._drain = asyncio.Event()
        self._drained = asyncio.Event()
        self._listener = listener

    # [run]
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
        acceptor = await self.loop.create_server(
            lambda: Connection(self), sock=self._listener, backlog=BACKLOG
        )
        await self._drain.wait()
        acceptor.close()
        self.is_draining = True
        self.allowed_s[Phase.IDLE] = DRAIN_IDLE_S
        for connection in list(self.connections):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.grace):
                while self.connections:
                    self._drained.clear()
                    await self._drained.wait()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # one round, in which they hear of it

    def stop(self) -> None:
        """`loop.add_signal_handler` would do for a loop in the main thread."""
        with contextlib.suppress(RuntimeError):  # it is over
            self.loop.call_soon_threadsafe(self._drain.set)

    # [/run]

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.stats.accepted += 1
        self.stats.open = len(self.connections)

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.stats.open = len(self.connections)
        self._drained.set()
