"""What the servers of the comparison do beside being quick.

Is a malformed request refused, is a slow client cut off, and what is lost when the
server is told to end? Each server has the limits that it comes with, and an application
that reads what it is sent. This is watched, not timed, so all servers are asked at the
same time: who waits for slow clients has time for the rest.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

from lab.load.answer import Answer, MalformedError
from lab.measure import peers, strictness
from lab.measure.machine import Cores
from lab.measure.peer_reading import SLOW
from lab.measure.servers import RunningServer, ServerError, running
from lab.record.model import Conduct, Drain, SlowClients, Strictness

HOST = "127.0.0.1"
#: How long slow clients are watched: longer than step 13 waits for anything.
WATCH_S = 65.0
#: Beside that, about: starting all servers, and the checklist.
OTHERWISE_S = 25.0
#: Servers that are busy with the checklist, or with a drain, at the same time.
AT_ONCE = 4

#: A drain: so often; so many clients with a request, and without one.
DRAINS = 5
CLIENTS = 20
IDLE = 5
#: From the requests to the signal.
BEFORE_S = 0.1
#: How long an ending server may take: longer than step 13 gives itself.
DRAIN_LIMIT_S = 15.0
ANSWER_LIMIT_S = 5.0
#: When all is answered, how long it may keep connections that say nothing.
IDLE_LIMIT_S = 3.0

_KEPT = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_SLOW = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % SLOW.encode()
#: What a slow client sends at once, and what of it then each second.
SLOW_CLIENTS = {
    "half_head_s": (b"GET / HTTP/1.1\r\nHost: a\r\n", b""),
    "trickled_head_s": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
    "half_body_s": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
        b"",
    ),
}

T = TypeVar("T")


def contestants() -> list[str]:
    """Those that are asked: each server, and ours with two processes as well."""
    return [each.name for each in (*peers.OURS, *peers.PEERS, peers.BY_PROCESSES[1])]


def measure_conduct(
    names: Sequence[str], cores: Cores, watch_s: float = WATCH_S
) -> list[Conduct]:
    """Ask all of those that can be started here."""
    reasons = {name: peers.unavailable(name) for name in names}
    here = [name for name in names if reasons[name] is None]
    # They need little, and any core will do.
    places = (*cores.server, *cores.generator)
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            asked = {n: pool.submit(_check, n, places, stop) for n in here}
            strict = {n: _result(n, future, reasons) for n, future in asked.items()}
            ended = {n: pool.submit(_drain, n, places, stop) for n in here}
            slow = _watch(here, places, watch_s, reasons)
            drains = {n: _result(n, future, reasons) for n, future in ended.items()}
        finally:
            stop.set()
    return [
        Conduct(
            server=name,
            strictness=strict.get(name),
            slow_clients=slow.get(name),
            drain=drains.get(name),
            skipped=reasons[name],
        )
        for name in names
    ]


def _result(name: str, future: Future[T], reasons: dict[str, str | None]) -> T | None:
    try:
        return future.result()
    except (ServerError, OSError) as error:
        reasons[name] = str(error)
        return None


def _check(name: str, cores: Sequence[int], stop: threading.Event) -> Strictness:
    with running(peers.conduct_command(name), cores=cores) as server:
        return strictness.check(server.port, stop)


# -- slow clients -------------------------------------------------------------


def _watch(
    names: Sequence[str],
    cores: Sequence[int],
    watch_s: float,
    reasons: dict[str, str | None],
) -> dict[str, SlowClients]:
    with ExitStack() as stack:
        servers: dict[str, RunningServer] = {}
        for name in names:
            command = peers.conduct_command(name)
            try:
                servers[name] = stack.enter_context(running(command, cores=cores))
            except ServerError as error:
                reasons[name] = str(error)
        return watch_slow({n: server.port for n, server in servers.items()}, watch_s)


def watch_slow(ports: dict[str, int], watch_s: float) -> dict[str, SlowClients]:
    """When each of them closes on each of the slow clients, as soon as it listens."""
    began: dict[tuple[str, str], float] = {}
    ended: dict[tuple[str, str], float] = {}
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for name, port in ports.items():
            for kind, (first, _) in SLOW_CLIENTS.items():
                sock = socket.create_connection((HOST, port), ANSWER_LIMIT_S)
                stack.enter_context(sock)
                sock.sendall(first)
                sock.setblocking(False)
                began[name, kind] = time.monotonic()
                selector.register(sock, selectors.EVENT_READ, (name, kind))
        end = time.monotonic() + watch_s
        next_byte = time.monotonic() + 1
        while len(ended) < len(began) and (now := time.monotonic()) < end:
            for key, _ in selector.select(max(0, min(next_byte, end) - now)):
                assert isinstance(key.fileobj, socket.socket)
                if _has_ended(key.fileobj):
                    ended[key.data] = time.monotonic()
                    selector.unregister(key.fileobj)
            if time.monotonic() < next_byte:
                continue
            next_byte += 1
            for key in list(selector.get_map().values()):
                assert isinstance(key.fileobj, socket.socket)
                with contextlib.suppress(OSError):  # a reset can be read as well
                    key.fileobj.send(SLOW_CLIENTS[key.data[1]][1])

    def took(name: str, kind: str) -> float | None:
        at = ended.get((name, kind))
        return None if at is None else round(at - began[name, kind], 1)

    return {
        name: SlowClients(
            watched_s=watch_s, **{kind: took(name, kind) for kind in SLOW_CLIENTS}
        )
        for name in ports
    }


def _has_ended(sock: socket.socket) -> bool:
    """Whether the server has closed; what it says before is read, and no matter."""
    try:
        return not sock.recv(65_536)
    except BlockingIOError:
        return False
    except OSError:
        return True


# -- the end ------------------------------------------------------------------


def _drain(name: str, cores: Sequence[int], stop: threading.Event) -> Drain:
    answered = idle_closed = 0
    for _ in range(DRAINS):
        if stop.is_set():
            raise ServerError("interrupted")
        with running(peers.conduct_command(name), cores=cores) as server:
            answers, ends = drain_once(server.port, partial(_end, server.pid))
        answered += answers
        idle_closed += ends
    return Drain(
        repeats=DRAINS,
        sent=DRAINS * CLIENTS,
        answered=answered,
        idle=DRAINS * IDLE,
        idle_closed=idle_closed,
    )


def _end(pid: int) -> None:
    """As somebody does it who knows one process: the others are its business."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def drain_once(port: int, end: Callable[[], None]) -> tuple[int, int]:
    """Send requests, have the server ended, and count: whole answers, and the idle
    connections that came to a plain end.

    Each has had an answer before, so the server knows the connection. Whether it has
    begun with a request is its business: the request was there before the signal.
    """
    with ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection((HOST, port), ANSWER_LIMIT_S))
            for _ in range(CLIENTS + IDLE)
        ]
        for sock in socks:
            sock.sendall(_KEPT)
            if not _is_answered(sock, time.monotonic() + ANSWER_LIMIT_S):
                raise ServerError("does not answer on all connections that are kept")
        for sock in socks[:CLIENTS]:
            sock.sendall(_SLOW)
        time.sleep(BEFORE_S)
        end()
        deadline = time.monotonic() + DRAIN_LIMIT_S
        answered = sum(_is_answered(sock, deadline) for sock in socks[:CLIENTS])
        deadline = time.monotonic() + IDLE_LIMIT_S
        ended = sum(_comes_to_an_end(sock, deadline) for sock in socks[CLIENTS:])
    return answered, ended


def _is_answered(sock: socket.socket, deadline: float) -> bool:
    answer = Answer()
    try:
        while data := _receive(sock, deadline):
            if answer.add(data):
                return answer.status == b"200"
    except (OSError, MalformedError):
        pass
    return False


def _comes_to_an_end(sock: socket.socket, deadline: float) -> bool:
    try:
        return not _receive(sock, deadline)
    except OSError:
        return False


def _receive(sock: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)
    return sock.recv(65_536)
