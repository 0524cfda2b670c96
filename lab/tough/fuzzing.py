"""Mutated requests, through the parser and to a live server."""

from __future__ import annotations

import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import psutil

from lab.tough.subject import (
    FLAT_BYTES,
    GET,
    Result,
    Subject,
    Tell,
    connect,
    reset,
    tell_nobody,
)
from steps.app import answer, app
from steps.http11 import BadRequest, Gatherer

#: The parser needs some 20 µs for such an input.
PARSER_HANG_CPU_S = 1.0
#: Where there is no status.
NONE, CUT_OFF = 0, -1
STATUSES = {NONE: "closed without an answer", CUT_OFF: "cut off by one of the two"}

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SEEDS = [
    GET,
    b"HEAD /bytes/10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET,
    b"PUT /echo HTTP/1.1\r\nHost: a\r\n"
    + CHUNKED
    + b'\r\n3;a="b"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n'
    + GET,
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nX:\t y \xff\r\n\r\n",
    b"GET http://b/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    b"Content-Length: 2\r\n\r\nhi",
    b"\r\n" + GET * 3,
]
#: What means something somewhere, and what may stand nowhere.
TELLING = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b'"', b"/", b"*", b"%"),
    *(b"\0", b"\x0b", b"\x7f", b"\x80", b"\xff", b"0", b"9", b"f", b"-", b"\r\n\r\n"),
    *(b"chunked", b"close", b"HTTP/1.1", b"HTTP/1.0", b"Host: b\r\n", CHUNKED),
    *(b"Content-Length: 3\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    *(b"A" * 300, b"9" * 20, b"a: b\r\n" * 40),
]


def mutated(chance: random.Random) -> bytes:
    """One or two requests, with a few bytes taken out, put in, doubled or replaced."""
    data = chance.choice(SEEDS)
    if chance.random() < 0.2:
        data += chance.choice(SEEDS)
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(data) + 1)
        end = min(len(data), begin + chance.choice((0, 0, 1, 1, 2, 9)))
        match chance.randrange(4):
            case 0:
                put = b""
            case 1:
                put = data[begin:end] * 2
            case 2:
                put = chance.randbytes(chance.randint(1, 3))
            case _:
                put = chance.choice(TELLING)
        data = data[:begin] + put + data[end:]
    return data


class Memory:
    """What a process has gained since it was warm."""

    def __init__(self, process: psutil.Process, count: int) -> None:
        self._process = process
        self._warm = min(20_000, count // 2)
        self._before = 0

    def note(self, done: int) -> None:
        if done == self._warm:
            self._before = self._process.memory_info().rss

    def judge(self, result: Result) -> None:
        if not self._before:
            return  # it has ended early
        gained = self._process.memory_info().rss - self._before
        result.facts["memory gained kB"] = gained // 1000
        result.expect(gained < FLAT_BYTES, f"{gained} bytes of memory gained")


# --- The parser -----------------------------------------------------------------------


def fuzz_parser(
    count: int, seconds: float, tell: Tell = tell_nobody, seed: int = 1
) -> Result:
    """It reads or refuses: it raises nothing else, keeps nothing and does not hang."""
    result = Result()
    chance = random.Random(seed)
    seen: Counter[str] = Counter()
    memory = Memory(psutil.Process(), count)
    end = time.monotonic() + seconds
    with cpu_alarm() as arm:
        for done in range(1, count + 1):
            data = mutated(chance)
            cut = chance.randrange(len(data) + 1)
            arm()
            try:
                _read((data[:cut], data[cut:]), seen)
            except Exception as error:
                result.complaints.append(f"{data!r} raised {error!r}")
                break
            seen["inputs"] += 1
            memory.note(done)
            if not done % 1000:
                tell(done / count)
                if time.monotonic() > end:
                    break
    result.facts |= seen
    memory.judge(result)
    return result


def _read(pieces: Sequence[bytes], seen: Counter[str]) -> None:
    gatherer = Gatherer()
    try:
        for piece in pieces:
            gatherer.feed(piece)
            while gatherer.next_request() is not None:
                seen["requests read"] += 1
    except BadRequest as error:
        if not 400 <= error.status < 600:
            raise ValueError(f"status {error.status}") from error
        seen["refused"] += 1


@contextmanager
def cpu_alarm() -> Iterator[Callable[[], None]]:
    """Each call allows so much CPU time until the next; then TimeoutError is raised.

    Of CPU time, so that a busy machine makes no hang.
    """

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {PARSER_HANG_CPU_S} s of CPU time")

    def arm() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, PARSER_HANG_CPU_S)

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield arm
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# --- A live server --------------------------------------------------------------------


def fuzz(count: int, seconds: float, tell: Tell = tell_nobody, seed: int = 2) -> Result:
    """Each input on a connection of its own: it is answered as the parser and the
    application say, or closed; and nothing leaks."""
    result = Result()
    chance = random.Random(seed)
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds
    with Subject("step12", "--workers", "0") as server:
        before = server.process.num_fds()
        memory = Memory(server.process, count)
        for done in range(1, count + 1):
            data = mutated(chance)
            try:
                received = exchange(server.port, data, chance)
            except TimeoutError:
                result.complaints.append(f"it hung after {data!r}")
                break
            except ConnectionRefusedError:
                result.complaints.append("it listens no more")
                break
            if received is None:
                statuses[CUT_OFF] += 1
            else:
                status, expected = first_status(received), foretold(data)
                statuses[status] += 1
                result.expect(
                    status == expected, f"{data!r}: {status} in place of {expected}"
                )
            memory.note(done)
            if not done % 100:
                tell(done / count)
                if result.complaints or time.monotonic() > end:
                    break
        result.facts["inputs"] = statuses.total()
        result.facts["answers"] = ", ".join(
            f"{number} × {STATUSES.get(status, status)}"
            for status, number in sorted(statuses.items())
        )
        few = statuses[CUT_OFF] < max(10, count / 5)
        result.expect(few, "too many inputs were cut off")
        if result.complaints:
            return result
        memory.judge(result)
        server.expect_closed(result, before)
        server.end_in_order(result)
    return result


def exchange(port: int, data: bytes, chance: random.Random) -> bytes | None:
    """Send it, whole or in two, and say that it was all; what comes back.

    None: nobody can know, for one of the two sides has cut it off.
    """
    received = b""
    sock = connect(port)
    try:
        cut = chance.randrange(len(data) + 1) if chance.random() < 0.3 else 0
        for piece in (data[:cut], data[cut:]):
            sock.sendall(piece)
        if chance.random() < 0.05:
            return None
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(65_536):
            received += piece
    except TimeoutError:
        raise
    except OSError:
        return None
    finally:
        reset(sock)
    return received


def first_status(received: bytes) -> int:
    """Of the first answer that is final. ValueError if it is none of HTTP."""
    while received.startswith(b"HTTP/1.1 100 "):
        received = received.partition(b"\r\n\r\n")[2]
    return int(received.removeprefix(b"HTTP/1.1 ")[:3]) if received else NONE


def foretold(data: bytes) -> int:
    gatherer = Gatherer()
    gatherer.feed(data)
    try:
        request = gatherer.next_request()
    except BadRequest as error:
        return error.status
    return answer(app, request).status if request else NONE
