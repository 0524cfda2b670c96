"""A server for tests of clients: it does with each request what the test says.

It runs in a thread of this process and knows what it was asked, how many connections
it had, and how many it has.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LIMIT_S = 10.0

BODY = b"x" * 70


def response(body: bytes = BODY, status: str = "200 OK", fields: str = "") -> bytes:
    """An answer with a Content-Length. `fields`: whole lines."""
    return (
        f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


@dataclass
class Exchange:
    """One request, and the means to do something about it."""

    #: Its head.
    request: bytes
    #: From 1: the how-manieth request of the server, and of its connection.
    number: int
    nth: int
    writer: asyncio.StreamWriter

    async def answer(self, *pieces: bytes) -> None:
        """Send the usual answer, or these bytes."""
        for piece in pieces or (response(),):
            self.writer.write(piece)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset."""
        linger = struct.pack("ii", 1, 0)
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


async def answer(exchange: Exchange) -> None:
    """The usual thing: answer, and close if asked to."""
    if b"Connection: close" in exchange.request:
        await exchange.answer(response(fields="Connection: close\r\n"))
        exchange.close()
    else:
        await exchange.answer()


@dataclass
class ScriptedServer:
    """What the server has seen; wait for something with `wait_until`."""

    host: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    #: Connections that were accepted, and those that are open.
    accepted: int = 0
    open: int = 0
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def wait_until(self, what: Callable[[], bool]) -> None:
        """Wait for something to be so; AssertionError if it does not become so."""
        with self.news:
            assert self.news.wait_for(what, LIMIT_S), (
                f"not within {LIMIT_S:g} s: {self}"
            )

    def __repr__(self) -> str:
        seen = len(self.requests)
        return f"<{seen} requests, {self.accepted} connections, {self.open} open>"


@contextmanager
def serving(
    behaviour: Behaviour = answer, backlog: int = 100
) -> Iterator[ScriptedServer]:
    """A server on a free port, gone with its connections when the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    server = ScriptedServer(*listener.getsockname())
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with server.news:
            server.accepted += 1
            server.open += 1
            server.news.notify_all()
        nth = 0
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                nth += 1
                with server.news:
                    server.requests.append(request)
                    number = len(server.requests)
                    server.news.notify_all()
                await behaviour(Exchange(request, number, nth, writer))
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            with server.news:
                server.open -= 1
                server.news.notify_all()

    async def serve() -> None:
        talking: set[asyncio.Task[None]] = set()

        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            def ended(task: asyncio.Task[None]) -> None:
                talking.discard(task)
                writer.transport.abort()

            task = asyncio.ensure_future(converse(reader, writer))
            talking.add(task)
            task.add_done_callback(ended)

        accepting = await asyncio.start_server(met, sock=listener, backlog=backlog)
        await stop.wait()
        # Accept no more, but let what was accepted become a conversation: asyncio
        # forgets such sockets, and leaves them open, if its server is closed first.
        loop.remove_reader(listener)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in talking:
                task.cancel()
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        accepting.close()
        # Aborted transports close their sockets in the loop's next rounds.
        for _ in range(3):
            await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(LIMIT_S)
        assert not thread.is_alive()
        loop.close()
