"""Clients of all kinds at once, for as long as one has patience."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from lab.tough.drain import ASKED
from lab.tough.fuzzing import mutated
from lab.tough.subject import (
    FLAT_BYTES,
    GET,
    HANG_S,
    Result,
    Subject,
    Tell,
    connect,
    receive_answer,
    reset,
    tell_nobody,
)

DEADLINE_S = "1"  # of the server
SAMPLES = 20


def act(port: int, chance: random.Random) -> str:
    """One client of some kind. OSError if the server wants it no more."""
    with connect(port) as sock:
        match chance.randrange(8):
            case 0 | 1:
                for _ in range(chance.randint(1, 50)):
                    sock.sendall(chance.choice(ASKED))
                    receive_answer(sock)
                return "good"
            case 2:
                sock.sendall(GET * 20)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65_536):
                    pass
                return "pipelining"
            case 3:
                sock.sendall(mutated(chance))
                sock.shutdown(socket.SHUT_WR)
                sock.recv(65_536)
                return "malformed"
            case 4:
                for byte in GET[: chance.randrange(len(GET))]:
                    sock.send(bytes([byte]))
                    time.sleep(0.01)
                return "slow and half"
            case 5:
                sock.sendall(b"GET /bytes/3000000 HTTP/1.1\r\nHost: a\r\n\r\n")
                sock.recv(chance.randint(1, 100_000))
                return "asks for much and reads little"
            case 6:
                sock.sendall(chance.choice(ASKED)[: chance.randint(1, 60)])
                reset(sock)
                return "rude"
            case _:
                sock.recv(1)
                return "silent for too long"


@contextmanager
def crowd(port: int, count: int) -> Iterator[Counter[str]]:
    """So many clients at a time, until the end of the block; how many of each kind."""
    ended = threading.Event()
    seen: Counter[str] = Counter()
    lock = threading.Lock()  # to add one is to look and to set: two could add one

    def run(seed: int) -> None:
        chance = random.Random(seed)
        while not ended.is_set():
            try:
                kind = act(port, chance)
            except TimeoutError:
                kind = "hung"
            except OSError:
                kind = "cut off"
            with lock:
                seen[kind] += 1

    threads = [
        threading.Thread(target=run, args=(seed,), daemon=True) for seed in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join(2 * HANG_S)


def soak(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """Good, slow, rude and malformed clients: memory, descriptors, threads are flat."""
    result = Result()
    timeouts = ("header", "body", "idle", "write")
    flags = [part for name in timeouts for part in (f"--{name}-timeout", DEADLINE_S)]
    with Subject("step12", *flags) as server:
        descriptors, threads = server.process.num_fds(), server.process.num_threads()
        begin, memory = time.monotonic(), []
        with crowd(server.port, count) as seen:
            for sample in range(1, SAMPLES + 1):
                tell(sample / SAMPLES)
                time.sleep(
                    max(0, begin + seconds * sample / SAMPLES - time.monotonic())
                )
                if server.has_ended:
                    result.complaints.append(f"it has ended: {server.log()[-500:]!r}")
                    return result
                memory.append(server.rss())
                now = server.process.num_threads()
                result.expect(now == threads, f"{threads} threads became {now}")
        # The first fifth warms it up. Then the ends are compared, a median of each.
        first, last = median(memory[4:10]), median(memory[-6:])
        result.facts |= {
            "requests": int(server.stats()["requests"]),
            "clients": ", ".join(f"{n} {kind}" for kind, n in sorted(seen.items())),
            "memory at first MB": round(first / 1e6, 1),
            "at last MB": round(last / 1e6, 1),
        }
        result.expect(seen["good"], "no good client was content")
        result.expect(seen["hung"] == 0, f"{seen['hung']} clients hung")
        result.expect(last - first < FLAT_BYTES, "memory grows")
        server.expect_closed(result, descriptors)
        server.end_in_order(result)
    return result
