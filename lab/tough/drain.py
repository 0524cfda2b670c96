"""A server that ends under load, asked or killed."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

import psutil

from lab.tough.subject import (
    GET,
    HANG_S,
    Result,
    Subject,
    Tell,
    connect,
    receive_answer,
    reset,
    soon,
    tell_nobody,
)

CLIENTS = 8
BODY = b"x" * 10_000
#: What they ask, one after the other.
ASKED = [
    GET,
    b"GET /sleep/5 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY),
    b"GET /bytes/300000 HTTP/1.1\r\nHost: a\r\n\r\n",
]


class Asking:
    """Clients that ask without a pause until nobody listens any more.

    A request has begun when its client is connected and sends.
    """

    def __init__(self, port: int) -> None:
        self.begun = self.answered = 0
        self.lost: Counter[str] = Counter()
        self._port = port
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(CLIENTS)
        ]

    def _run(self, turn: int) -> None:
        sock: socket.socket | None = None
        while not self._ended.is_set():
            where = "on a kept connection" if sock else "on a new connection"
            try:
                sock = sock or connect(self._port)
            except ConnectionRefusedError:
                break
            except ConnectionResetError:
                # It was in the queue of a listener that went. Who tries again is
                # refused, or gets to another listener.
                continue
            turn += 1
            with self._lock:
                self.begun += 1
            try:
                sock.sendall(ASKED[turn % len(ASKED)])
                status, keep = receive_answer(sock)
                if status != 200:
                    raise OSError(f"status {status}")
                with self._lock:
                    self.answered += 1
            except OSError as error:
                keep = False
                with self._lock:
                    self.lost[f"{error!r} {where}"] += 1
            if not keep:
                reset(sock)
                sock = None
        if sock is not None:
            reset(sock)

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(HANG_S)


def drain(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """SIGTERM under load, again and again: whatever has begun is answered.

    With workers and without, in turn. seconds: of load before each.
    """
    result = Result()
    begun = answered = 0
    slowest_s = 0.0
    lost: Counter[str] = Counter()
    for number in range(count):
        tell(number / count)
        workers = str((4, 0)[number % 2])
        with (
            Subject("step12", "--workers", workers) as server,
            Asking(server.port) as asking,
        ):
            time.sleep(seconds)
            begin = time.monotonic()
            server.end_in_order(result)
            slowest_s = max(slowest_s, time.monotonic() - begin)
        begun += asking.begun
        answered += asking.answered
        lost += asking.lost
    result.facts |= {
        "requests begun": begun,
        "answered": answered,
        "the slowest drain s": round(slowest_s, 2),
    }
    result.expect(begun == answered, f"{begun - answered} were lost: {dict(lost)}")
    result.expect(begun > count * CLIENTS, "there was no load")
    return result


def kill(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """A process of step 14 dies under load: only what it was doing is lost, and there
    is another in its place. seconds: between two of them."""
    result = Result()
    worst = 0
    with (
        Subject("step14", "--processes", "2", "--workers", "0") as server,
        Asking(server.port) as asking,
    ):
        for number in range(count):
            tell(number / count)
            result.expect(soon(lambda: len(alive(server.process)) == 2), "no two")
            time.sleep(seconds)
            victim = alive(server.process)[number % 2]
            before = asking.lost.total()
            victim.kill()

            def is_replaced(dead: int = victim.pid) -> bool:
                pids = [child.pid for child in alive(server.process)]
                return len(pids) == 2 and dead not in pids

            result.expect(soon(is_replaced), "it was not replaced")
            time.sleep(seconds / 2)  # whoever noticed has said so
            worst = max(worst, asking.lost.total() - before)
        working = asking.answered
        going_on = soon(lambda: asking.answered > working + CLIENTS)
        result.expect(going_on, "nobody is answered any more")
    result.facts |= {
        "requests begun": asking.begun,
        "answered": asking.answered,
        "most lost by one": worst,
    }
    lost = asking.lost.total()
    result.expect(worst <= CLIENTS, "more was lost than a process could have had")
    result.expect(asking.begun - asking.answered == lost, "a request has disappeared")
    return result


def alive(parent: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in parent.children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            pass
    return found
