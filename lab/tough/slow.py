"""Clients that are slow on purpose: our own, and those of slowhttptest."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from lab.load.child import allow_connections
from lab.tough.subject import (
    HANG_S,
    Honest,
    Result,
    Subject,
    Tell,
    reset,
    tell_nobody,
)
from steps.step11.server import LINGER_TIMEOUT_S

#: Who is told that he is late may go on sending for a while; and the clock ticks.
LATE_S = LINGER_TIMEOUT_S + 1.0
#: Slow clients arrive one after the other; here is how many in a second.
ARRIVALS_PER_S = 1000
#: How much later than they should all have come, on a busy machine.
ARRIVAL_LIMIT_S = 5.0
#: Their turns in each second.
TURNS = 10
#: Other connections that the server may have: the honest client's two, and the one by
#: which slowhttptest looks whether the server is still there.
OTHERS = 3
#: With larger ones the kernel would take megabytes for a client that reads nothing.
RECEIVE_BUFFER_BYTES = 2048
SEGMENT_BYTES = 536


@dataclass(frozen=True)
class Slow:
    """What a slow client sends first, then once a second; whether it reads a byte."""

    first: bytes
    more: bytes = b""
    reads: bool = False


MODES = {
    "silence": Slow(b""),
    "heads": Slow(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
    "bodies": Slow(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"
    ),
    "reads": Slow(b"GET /bytes/500000 HTTP/1.1\r\nHost: a\r\n\r\n", reads=True),
}


def slow(
    count: int,
    seconds: float,
    tell: Tell = tell_nobody,
    modes: Mapping[str, Slow] = MODES,
) -> Result:
    """Every slow client is gone by its deadline, and an honest one never waits long.

    seconds: the deadline of the server under test.
    """
    result = Result()
    for number, (mode, kind) in enumerate(modes.items()):
        tell(number / len(modes))
        with Subject("step12", *flags(count, seconds)) as server:
            clients = trickling(server.port, count, kind)
            judge(result, mode, server, clients, count, seconds)
    return result


def flags(count: int, seconds: float) -> list[str]:
    allow_connections(count)
    timeouts = ("header", "body", "idle", "write")
    return [
        *("--max-connections", str(count + 50)),
        *(part for name in timeouts for part in (f"--{name}-timeout", str(seconds))),
    ]


def judge(
    result: Result,
    mode: str,
    server: Subject,
    clients: AbstractContextManager[object],
    count: int,
    seconds: float,
) -> None:
    """The server is asked, for who reads slowly cannot see that it was closed."""
    # What the kernel takes of an answer may earn as much time again.
    limit_s = 2 * seconds + LATE_S
    all_came = gone = time.monotonic()
    open_now = peak = 0.0
    with Honest(server.port) as honest, clients:
        end = time.monotonic() + 2 * count / ARRIVALS_PER_S + ARRIVAL_LIMIT_S + limit_s
        while (gone := time.monotonic()) < end:
            honest_ones = honest.connections  # first: it goes on meanwhile
            stats = server.stats()
            open_now = stats["open"]
            peak = max(peak, open_now)
            if stats["accepted"] - honest_ones < count:
                all_came = gone
            elif open_now <= OTHERS:
                break
            time.sleep(0.05)
    took_s = round(gone - all_came, 1)
    said = result.facts.get("the last is gone after s", "")
    separator = ", " if said else ""
    result.facts["the last is gone after s"] = f"{said}{separator}{mode} {took_s}"
    result.expect(open_now <= OTHERS, f"{mode}: {open_now:.0f} are still there")
    result.expect(took_s < limit_s, f"{mode}: the last is gone after {took_s} s")
    honest.judge(result, mode)


@contextmanager
def trickling(port: int, count: int, kind: Slow) -> Iterator[None]:
    """Slow clients, until the end of the block."""
    socks: list[socket.socket] = []
    ended = threading.Event()

    def run() -> None:
        for number in range(count):
            socks.append(_begin(port, kind))
            if number % 10 == 9 and ended.wait(10 / ARRIVALS_PER_S):
                return
        turn = 0
        while not ended.wait(1 / TURNS):
            turn += 1
            for sock in socks[turn % TURNS :: TURNS]:
                with contextlib.suppress(OSError):
                    sock.send(kind.more)
                with contextlib.suppress(OSError):
                    if kind.reads:
                        sock.recv(1)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(HANG_S)
        for sock in socks:
            reset(sock)


def _begin(port: int, kind: Slow) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(HANG_S)
    if kind.reads:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    sock.connect(("127.0.0.1", port))
    sock.sendall(kind.first)
    sock.setblocking(False)
    return sock


# --- slowhttptest ---------------------------------------------------------------------

#: Its modes: what it is asked to do, and the path that it asks for.
SLOWHTTPTEST: dict[str, tuple[Sequence[str], str]] = {
    "heads": (("-H", "-i", "1"), ""),
    "bodies": (("-B", "-i", "1", "-s", "100000"), "echo"),
    "ranges": (("-R", "-a", "10", "-b", "300"), ""),
    "reads": (*(("-X", "-w", "1", "-y", "64", "-n", "1", "-z", "1"), "bytes/500000"),),
}


def slowhttptest(
    count: int,
    seconds: float,
    tell: Tell = tell_nobody,
    modes: Sequence[str] = tuple(SLOWHTTPTEST),
) -> Result:
    """The same by a program that others wrote, in its four modes."""
    result = Result()
    for number, mode in enumerate(modes):
        tell(number / len(modes))
        options, path = SLOWHTTPTEST[mode]
        with Subject("step12", *flags(count, seconds)) as server:
            rate = str(max(1, min(count, ARRIVALS_PER_S) // 2))
            url = f"http://127.0.0.1:{server.port}/{path}"
            # It would go on for longer than we wait, and is ended before.
            command = ["slowhttptest", *options, "-c", str(count), "-r", rate]
            clients = running([*command, "-l", "120", "-u", url])
            judge(result, mode, server, clients, count, seconds)
    return result


@contextmanager
def running(command: Sequence[str]) -> Iterator[None]:
    """A program, until the end of the block."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as popen:
        try:
            yield
        finally:
            popen.kill()
