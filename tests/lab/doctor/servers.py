"""Servers for the doctor's tests: each of them does one thing wrong."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

from lab.doctor.raw import Target
from tests.lab.scripted_server import (
    BODY,
    Exchange,
    ScriptedServer,
    answer,
    response,
    serving,
)

HEAD = response()[: -len(BODY)]


def target_of(server: ScriptedServer) -> Target:
    return Target(server.host, server.port)


def nagle(exchange: Exchange, on: bool = True) -> None:
    sock = exchange.writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not on)


def send(exchange: Exchange, data: bytes) -> None:
    """Send it now, in a segment of its own."""
    sock = exchange.writer.get_extra_info("socket")
    fd = socket.socket(fileno=sock.fileno())
    try:
        fd.send(data)
    finally:
        fd.detach()


async def two_writes(exchange: Exchange) -> None:
    nagle(exchange)
    send(exchange, HEAD)
    send(exchange, BODY)


async def a_write_a_line(exchange: Exchange) -> None:
    nagle(exchange)
    for line in HEAD.splitlines(keepends=True):
        send(exchange, line)
    send(exchange, BODY)


async def two_writes_without_delay(exchange: Exchange) -> None:
    nagle(exchange, on=False)
    send(exchange, HEAD)
    send(exchange, BODY)


async def two_writes_and_close(exchange: Exchange) -> None:
    await two_writes(exchange)
    exchange.close()


async def sleeps(exchange: Exchange) -> None:
    """It waits, and nobody can help that."""
    await asyncio.sleep(0.03)
    await exchange.answer()


@contextlib.contextmanager
def room_for(connections: int) -> Iterator[ScriptedServer]:
    """A server that answers nobody while more connections than that are open."""
    found: list[ScriptedServer] = []

    async def behave(exchange: Exchange) -> None:
        while found[0].open > connections:
            await asyncio.sleep(0.002)
        await answer(exchange)

    with serving(behave) as server:
        found.append(server)
        yield server
