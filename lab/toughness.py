"""`python -m lab tough PROOF`: long runs that try to break the server of step 12.

Each is bounded in number and time, ends by itself, prints one line, and puts what it
saw into a record. The suite runs the same functions, for a second each.

    fuzz-parser   mutated requests through the parser
    fuzz          mutated requests to a live server
    slow          clients that trickle heads or bodies or read slowly, and an honest one
    slowhttptest  the same by a program that others wrote, where it is installed
    descriptors   more clients than descriptors
    drain         SIGTERM under load, again and again
    kill          one process of step 13 is killed under load
    soak          all kinds of clients at once
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from lab.machine import commit
from lab.record import ROOT
from steps.http11 import BadRequest, Gatherer
from steps.step11.server import LINGER_TIMEOUT_S

RECORD = ROOT / "docs" / "measurements" / "toughness.json"
#: Nothing that a server does at once may take so long.
HANG_S = 20.0
#: An honest client is answered in this time, whatever the others do.
HONEST_LIMIT_S = 0.1
#: Resident memory that may be gained: allocators keep some of what they had.
FLAT_BYTES = 6_000_000

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Result:
    """What a proof saw. It holds if there are no complaints."""

    proof: str
    facts: dict[str, float | int | str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.complaints

    def expect(self, condition: object, complaint: str) -> None:
        if not condition:
            self.complaints.append(complaint)

    def __str__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        verdict = "holds" if self.holds else "BROKEN: " + "; ".join(self.complaints)
        return f"{self.proof}: {facts}: {verdict}"


# --- A server, and clients ------------------------------------------------------------


class Subject:
    """A step that runs as a process of its own, and what it writes."""

    def __init__(
        self, step: str = "step12", *arguments: str, wrapper: Sequence[str] = ()
    ) -> None:
        self.step = step
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by close()
        command = (sys.executable, "-m", f"steps.{step}", "--port", "0", *arguments)
        self.popen = subprocess.Popen(
            [*wrapper, *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self.process = psutil.Process(self.popen.pid)
        match = self._wait_for(rb"listening on http://127\.0\.0\.1:(\d+)", 0)
        self.port = int(match[1])

    def log(self) -> bytes:
        return Path(self._log.name).read_bytes()

    def stats(self) -> dict[str, float]:
        begin = len(self.log())
        self.popen.send_signal(signal.SIGUSR1)
        match = self._wait_for(rb"stats( .+)\n", begin)
        pairs = (pair.split("=") for pair in match[1].decode().split())
        return {name: float(value) for name, value in pairs}

    def _wait_for(self, pattern: bytes, begin: int) -> re.Match[bytes]:
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline and self.popen.poll() is None:
            if match := re.search(pattern, self.log()[begin:]):
                return match
            time.sleep(0.005)
        said = self.log()[-500:].decode(errors="replace")
        raise RuntimeError(f"{self.step} did not say {pattern!r}, but: {said}")

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        return int(self.process.memory_info().rss)

    def descriptors(self) -> int:
        return int(self.process.num_fds())

    def threads(self) -> int:
        return int(self.process.num_threads())

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and wait; the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(HANG_S)

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self._log.close()


def connect(port: int, timeout_s: float = HANG_S) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reset(sock: socket.socket) -> None:
    """Go with a RST, which also leaves no port in TIME_WAIT."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def receive_answer(sock: socket.socket) -> tuple[int, bool]:
    """The status, and whether the connection is kept. ConnectionError at an end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65_536)
        if not piece:
            raise ConnectionAbortedError("closed before the answer was whole")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    match = re.search(rb"Content-Length: (\d+)", head)
    left = (int(match[1]) if match else 0) - len(body)
    while left > 0:
        piece = sock.recv(min(left, 1 << 20))
        if not piece:
            raise ConnectionAbortedError("closed before the answer was whole")
        left -= len(piece)
    return int(head[9:12]), b"\r\nConnection: close" not in head


class Honest:
    """Asks for the document again and again, on a kept connection and on new ones."""

    def __init__(self, port: int, pause_s: float = 0.01) -> None:
        self.count = 0
        self.worst_s = 0.0
        self.errors: list[str] = []
        self._port = port
        self._pause_s = pause_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        kept = connect(self._port)
        with kept:
            while not self._ended.wait(self._pause_s):
                try:
                    begin = time.monotonic()
                    if self.count % 2:
                        with connect(self._port) as sock:
                            self._ask(sock)
                            self.worst_s = max(self.worst_s, time.monotonic() - begin)
                            reset(sock)
                    else:
                        self._ask(kept)
                        self.worst_s = max(self.worst_s, time.monotonic() - begin)
                    self.count += 1
                except OSError as error:
                    self.errors.append(repr(error))
                    return

    def _ask(self, sock: socket.socket) -> None:
        sock.sendall(GET)
        status, _ = receive_answer(sock)
        if status != 200:
            raise OSError(f"status {status}")

    def __enter__(self) -> Honest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(HANG_S)

    def judge(self, result: Result) -> None:
        result.facts["honest requests"] = self.count
        result.facts["honest worst ms"] = round(self.worst_s * 1000, 1)
        result.expect(not self.errors, f"the honest client: {self.errors[:1]}")
        result.expect(self.count, "the honest client was never answered")
        result.expect(
            self.worst_s < HONEST_LIMIT_S, f"an honest client waited {self.worst_s} s"
        )


def allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


# --- Fuzzing --------------------------------------------------------------------------

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


def fuzz_parser(count: int = 1_000_000, seconds: float = 600, seed: int = 1) -> Result:
    """It reads or refuses: nothing else is raised, and nothing is kept."""
    result = Result("fuzz-parser")
    chance = random.Random(seed)
    whole = refused = done = 0
    begin = time.monotonic()
    process, before = psutil.Process(), 0
    for done in range(1, count + 1):
        data = mutated(chance)
        gatherer = Gatherer()
        cut = chance.randrange(len(data) + 1)
        try:
            for piece in (data[:cut], data[cut:]):
                gatherer.feed(piece)
                while (request := gatherer.next_request()) is not None:
                    assert len(request.headers) < 1000
                    whole += 1
        except BadRequest as error:
            result.expect(400 <= error.status < 600, f"{data!r}: {error.status}")
            refused += 1
        except Exception as error:
            result.complaints.append(f"{data!r} raised {error!r}")
            break
        if done == min(20_000, count // 2 + 1):
            before = process.memory_info().rss
        if not done % 1000 and time.monotonic() - begin > seconds:
            break
    gained = process.memory_info().rss - before
    result.facts |= {
        "inputs": done,
        "requests read": whole,
        "refused": refused,
        "memory gained kB": gained // 1000,
        "seconds": round(time.monotonic() - begin, 1),
    }
    result.expect(gained < FLAT_BYTES, f"{gained} bytes of memory gained")
    return result


def fuzz(
    count: int = 100_000,
    seconds: float = 600,
    seed: int = 2,
    arguments: Sequence[str] = ("--workers", "0"),
) -> Result:
    """Each input on a connection of its own: answered or closed, and nothing leaks."""
    result = Result("fuzz")
    chance = random.Random(seed)
    statuses: Counter[str] = Counter()
    done = 0
    begin = time.monotonic()
    with Subject("step12", *arguments) as server:
        descriptors, rss = server.descriptors(), server.rss()
        for done in range(1, count + 1):
            data = mutated(chance)
            try:
                answer = exchange(server.port, data, chance)
            except TimeoutError:
                result.complaints.append(f"hung after {data!r}")
                break
            statuses[answer[9:12].decode("latin-1") or "none"] += 1
            result.expect(
                answer == b"" or answer.startswith(b"HTTP/1.1 "),
                f"{data!r} was answered with {answer[:40]!r}",
            )
            if done == min(5000, count // 2 + 1):
                rss = server.rss()
            if server.popen.poll() is not None or time.monotonic() - begin > seconds:
                break
        result.expect(server.popen.poll() is None, "it has ended")
        gained = server.rss() - rss
        result.facts |= {
            "inputs": done,
            "answers": " ".join(f"{k}:{v}" for k, v in sorted(statuses.items())),
            "memory gained kB": gained // 1000,
            "seconds": round(time.monotonic() - begin, 1),
        }
        result.expect(gained < FLAT_BYTES, f"{gained} bytes of memory gained")
        result.expect(
            soon(lambda: server.descriptors() <= descriptors), "descriptors leaked"
        )
        result.expect(b"Traceback" not in server.log(), "a traceback in the log")
        result.expect(server.end() == 0, "it did not end in order")
    return result


def exchange(port: int, data: bytes, chance: random.Random) -> bytes:
    """Send it, whole or in two, and say that it was all; what comes back."""
    answer = b""
    with connect(port) as sock:
        try:
            cut = chance.randrange(len(data) + 1) if chance.random() < 0.3 else 0
            for piece in (data[:cut], data[cut:]):
                sock.sendall(piece)
            if chance.random() < 0.05:
                reset(sock)
                return b""
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65_536):
                answer += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # a server may reset one who sends on
        reset(sock)
    return answer


def soon(happened: Callable[[], bool], within_s: float = HANG_S) -> bool:
    """Whether it happens in time."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# --- Slow clients ---------------------------------------------------------------------


@dataclass(frozen=True)
class Slow:
    """What a slow client sends first, then once a second; whether it reads a byte."""

    first: bytes
    more: bytes = b""
    reads: bool = False


SLOW = {
    "silence": Slow(b""),
    "heads": Slow(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
    "bodies": Slow(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"
    ),
    "reads": Slow(b"GET /bytes/500000 HTTP/1.1\r\nHost: a\r\n\r\n", reads=True),
}
#: Of the server under test, in seconds.
SLOW_DEADLINE_S = 3.0
#: A client that still sends may linger, and the clock ticks.
LATE_S = LINGER_TIMEOUT_S + 1.0
#: Clients arrive one after the other; here is how many in a second.
ARRIVALS_PER_S = 1000
SMALL_SEGMENT_BYTES = 536


def slow(
    count: int = 1000,
    seconds: float = SLOW_DEADLINE_S,
    modes: Sequence[str] = tuple(SLOW),
) -> Result:
    """Every slow client is gone by its deadline, and an honest one never waits long."""
    result = Result("slow")
    allow_descriptors(count + 200)
    arguments = ["--max-connections", str(count + 50)]
    for name in ("header", "body", "idle", "write"):
        arguments += [f"--{name}-timeout", str(seconds)]
    for mode in modes:
        with Subject("step12", *arguments) as server, Honest(server.port) as honest:
            last_s = trickle(server, count, SLOW[mode], 4 * seconds + LATE_S)
        result.facts[f"{mode}: the last was closed after s"] = round(last_s, 2)
        # What the kernel takes of an answer earns as much time again.
        most_s = (2 if SLOW[mode].reads else 1) * seconds + LATE_S
        result.expect(last_s < most_s, f"{mode}: the last after {last_s} s")
        take_over(result, mode, honest)
    result.facts["clients"] = count
    result.facts["deadline s"] = seconds
    return result


def take_over(result: Result, mode: str, honest: Honest) -> None:
    of_mode = Result(mode)
    honest.judge(of_mode)
    result.facts |= {f"{mode}: {name}": fact for name, fact in of_mode.facts.items()}
    result.complaints += [f"{mode}: {each}" for each in of_mode.complaints]


def trickle(server: Subject, count: int, kind: Slow, seconds: float) -> float:
    """Slow clients: how many seconds after the last has come the server has closed all.

    The server is asked, for a client that reads slowly cannot see that it was closed.
    """
    socks: list[socket.socket] = []
    honest = server.stats()["open"] + 1
    try:
        for number in range(count):
            sock = socket.socket()
            sock.settimeout(HANG_S)
            if kind.reads:  # with large segments, the kernel would take megabytes
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                sock.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES
                )
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(kind.first)
            sock.setblocking(False)
            socks.append(sock)
            if number % 10 == 9:
                time.sleep(10 / ARRIVALS_PER_S)
        begin = time.monotonic()
        while (took := time.monotonic() - begin) < seconds:
            if server.stats()["open"] <= honest:
                return took
            # Each second, a tenth of them in each tenth.
            for sock in socks[int(took * 10) % 10 :: 10]:
                with contextlib.suppress(OSError):
                    sock.send(kind.more)
                with contextlib.suppress(OSError):
                    if kind.reads:
                        sock.recv(1)
            time.sleep(0.1)
    finally:
        for sock in socks:
            reset(sock)
    return seconds


SLOWHTTPTEST = {
    "-H": ("-i", "1"),
    "-B": ("-i", "1", "-s", "100000"),
    "-R": ("-a", "10", "-b", "300"),
    "-X": ("-w", "1", "-y", "64", "-n", "1", "-z", "1", "-k", "3"),
}


def slowhttptest(count: int = 1000, seconds: float = 12) -> Result:
    """Its four modes: slow headers, slow bodies, many ranges, slow reading."""
    result = Result("slowhttptest")
    program = shutil.which("slowhttptest")
    if program is None:
        result.complaints.append("slowhttptest is not installed")
        return result
    allow_descriptors(count + 200)
    arguments = ["--max-connections", str(count + 50)]
    for name in ("header", "body", "idle", "write"):
        arguments += [f"--{name}-timeout", str(seconds / 4)]
    for mode, more in SLOWHTTPTEST.items():
        path = "bytes/5000000" if mode == "-X" else "echo" if mode == "-B" else ""
        with Subject("step12", *arguments) as server, Honest(server.port) as honest:
            url = f"http://127.0.0.1:{server.port}/{path}"
            command = [program, mode, *more, "-c", str(count), "-r", str(count // 2)]
            done = subprocess.run(
                [*command, "-l", str(int(seconds)), "-u", url],
                capture_output=True,
                text=True,
                timeout=seconds + 60,
            )
            status = re.findall(r"Exit status: *(.+)", done.stdout + done.stderr)
            result.facts[f"{mode}: it says"] = status[-1] if status else "nothing"
            result.expect(
                soon(lambda: server.stats()["open"] <= 2, seconds),
                f"{mode}: the server still has connections",
            )
        take_over(result, mode, honest)
    return result


# --- More clients than descriptors ----------------------------------------------------


def descriptors(count: int = 200, seconds: float = 10, limit: int = 64) -> Result:
    """It neither spins nor ends nor fills a log, and is right again within a second."""
    result = Result("descriptors")
    wrapper = ("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh")
    with Subject("step12", wrapper=wrapper) as server:
        before = server.threads()
        clients = [connect(server.port) for _ in range(count)]
        # Those that it has keep it at its limit, and the others wait in the kernel.
        soon(lambda: server.descriptors() >= limit - 1, 2)
        logged, cpu_s, begin = len(server.log()), server.cpu_s(), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - begin
        share = (server.cpu_s() - cpu_s) / took
        rate = (len(server.log()) - logged) / took
        result.expect(server.descriptors() >= limit - 1, "it never ran out")
        clients[0].sendall(GET)
        result.expect(receive_answer(clients[0])[0] == 200, "those inside are served")
        for client in clients:
            client.close()
        begin = time.monotonic()
        with connect(server.port) as client:
            client.sendall(GET)
            result.expect(receive_answer(client)[0] == 200, "no good answer afterwards")
        again_s = time.monotonic() - begin
        result.facts |= {
            "clients": count,
            "limit": limit,
            "cpu percent": round(100 * share, 2),
            "log bytes a second": round(rate, 1),
            "right again after ms": round(again_s * 1000, 1),
        }
        result.expect(
            share < 0.05, f"{share:.0%} of a core while nothing could be done"
        )
        result.expect(rate < 1000, f"{rate:.0f} bytes of log a second")
        result.expect(again_s < 1, f"right again only after {again_s:.2f} s")
        result.expect(server.threads() == before, "threads were made")
        result.expect(server.end() == 0, "it did not end in order")
    return result


# --- Drain, and death -----------------------------------------------------------------

BODY = b"x" * 10_000
#: What the clients of a drain ask, one after the other.
ASKED = [
    GET,
    b"GET /sleep/5 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY),
    b"GET /bytes/300000 HTTP/1.1\r\nHost: a\r\n\r\n",
]


class Asking:
    """Clients that ask without a pause until nobody listens any more.

    A request has begun when its first byte has been sent.
    """

    def __init__(self, port: int, count: int) -> None:
        self.begun = self.answered = self.refused = 0
        self.lost: list[str] = []
        self.ended = threading.Event()
        self._port = port
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(count)
        ]

    def _run(self, number: int) -> None:
        begun = answered = asked = 0
        sock: socket.socket | None = None
        while not self.ended.is_set():
            asked += 1
            where = "on a new connection" if sock is None else "on a kept one"
            try:
                sock = sock or connect(self._port)
            except OSError:
                with self._lock:
                    self.refused += 1
                if self.ended.wait(0.001):
                    break
                continue
            try:
                begun += 1
                sock.sendall(ASKED[(number + asked) % len(ASKED)])
                _, keep = receive_answer(sock)
                answered += 1
                if not keep:
                    sock.close()
                    sock = None
            except OSError as error:
                with self._lock:
                    self.lost.append(f"{error!r} {where}")
                if sock is not None:
                    sock.close()
                sock = None
        if sock is not None:
            reset(sock)
        with self._lock:
            self.begun += begun
            self.answered += answered

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(HANG_S)


def drain(count: int = 50, seconds: float = 0.3, clients: int = 8) -> Result:
    """SIGTERM under load: whatever has begun is answered, and then it has ended."""
    result = Result("drain")
    begun = answered = 0
    slowest = 0.0
    lost: Counter[str] = Counter()
    for number in range(count):
        workers = str((4, 0)[number % 2])
        with (
            Subject("step12", "--workers", workers) as server,
            Asking(server.port, clients) as asking,
        ):
            time.sleep(seconds)
            begin = time.monotonic()
            code = server.end()
            slowest = max(slowest, time.monotonic() - begin)
            result.expect(code == 0, f"exit code {code}")
            result.expect(b"Traceback" not in server.log(), "a traceback in the log")
        begun += asking.begun
        answered += asking.answered
        lost.update(asking.lost)
    result.facts |= {
        "drains": count,
        "requests begun": begun,
        "answered": answered,
        "slowest s": round(slowest, 2),
    }
    result.expect(begun == answered, f"{begun - answered} were lost: {dict(lost)}")
    result.expect(begun > count * clients, "there was no load")
    return result


def kill(count: int = 5, seconds: float = 1.0, clients: int = 8) -> Result:
    """A process of step 13 dies under load: only what it was doing is lost, and there
    is another in its place."""
    result = Result("kill")
    lost = begun = 0
    with (
        Subject("step13", "--processes", "2", "--workers", "0") as server,
        Asking(server.port, clients) as asking,
    ):
        soon(lambda: len(server.process.children()) >= 2)
        for _ in range(count):
            time.sleep(seconds)
            victim, *others = server.process.children()
            before = len(asking.lost)
            victim.kill()
            replaced = soon(
                lambda: len(alive(server.process, victim)) >= len(others) + 1  # noqa: B023
            )
            result.expect(replaced, "it was not replaced")
            time.sleep(seconds / 2)
            lost += len(asking.lost) - before
        asking.ended.set()
    begun = asking.begun
    result.facts |= {
        "killed": count,
        "clients": clients,
        "requests begun": begun,
        "answered": asking.answered,
        "lost": lost,
    }
    result.expect(
        lost <= count * clients, "more was lost than a process could have had"
    )
    result.expect(begun - asking.answered == len(asking.lost), "a request disappeared")
    return result


def alive(parent: psutil.Process, dead: psutil.Process) -> list[psutil.Process]:
    return [
        child
        for child in parent.children()
        if child.pid != dead.pid and child.status() != psutil.STATUS_ZOMBIE
    ]


# --- All at once ----------------------------------------------------------------------


def act(port: int, chance: random.Random, timeout_s: float) -> None:
    """One client of some kind; OSError if the server does not want it any more."""
    with connect(port, timeout_s) as sock:
        match chance.randrange(8):
            case 0 | 1:  # good, for a while
                for _ in range(chance.randint(1, 50)):
                    sock.sendall(chance.choice(ASKED))
                    receive_answer(sock)
            case 2:  # pipelining
                sock.sendall(GET * 20)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65_536):
                    pass
            case 3:  # malformed
                sock.sendall(mutated(chance))
                sock.shutdown(socket.SHUT_WR)
                sock.recv(65_536)
            case 4:  # slow, and then gone
                for byte in GET[: chance.randrange(len(GET))]:
                    sock.send(bytes([byte]))
                    time.sleep(0.01)
            case 5:  # asks for much, reads little, and goes
                sock.sendall(b"GET /bytes/3000000 HTTP/1.1\r\nHost: a\r\n\r\n")
                sock.recv(chance.randint(1, 100_000))
            case 6:  # rude
                sock.sendall(chance.choice(ASKED)[: chance.randint(1, 60)])
                reset(sock)
            case 7:  # silent, for longer than the server likes
                sock.recv(1)


@contextmanager
def crowd(port: int, count: int) -> Iterator[Counter[str]]:
    """Clients of all kinds, until the end of the block."""
    ended = threading.Event()
    seen: Counter[str] = Counter()

    def run(seed: int) -> None:
        chance = random.Random(seed)
        while not ended.is_set():
            try:
                act(port, chance, HANG_S)
                seen["done"] += 1
            except TimeoutError:
                seen["hung"] += 1
            except OSError:
                seen["cut off"] += 1

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


def soak(count: int = 24, seconds: float = 600) -> Result:
    """Good, slow, rude and malformed clients: memory, descriptors, threads are flat."""
    result = Result("soak")
    arguments = []
    for name in ("header", "body", "idle", "write"):
        arguments += [f"--{name}-timeout", "1"]
    with Subject("step12", *arguments) as server:
        with connect(server.port) as client:
            client.sendall(GET)
            receive_answer(client)
        open_before, threads = server.descriptors(), server.threads()
        begin, rss = time.monotonic(), []
        with crowd(server.port, count) as seen:
            while (left := begin + seconds - time.monotonic()) > 0:
                time.sleep(min(left, seconds / 20))
                rss.append(server.rss())
                result.expect(server.popen.poll() is None, "it has ended")
                result.expect(server.threads() <= threads, "threads were made")
                if not result.holds:
                    return result
        requests = server.stats()["requests"]
        # The first fifth warms it up. Then compare the ends: a median of each.
        first, last = sorted(rss[4:10])[3], sorted(rss[-6:])[3]
        flat = soon(lambda: server.descriptors() <= open_before, 5)
        result.facts |= {
            "seconds": round(time.monotonic() - begin),
            "clients": sum(seen.values()),
            "requests": int(requests),
            "memory at first MB": round(first / 1e6, 1),
            "at last MB": round(last / 1e6, 1),
            "descriptors": f"{open_before} -> {server.descriptors()}",
            "threads": f"{threads} -> {server.threads()}",
        }
        result.expect(seen["hung"] == 0, f"{seen['hung']} clients hung")
        result.expect(last - first < FLAT_BYTES, "memory grows")
        result.expect(flat, "descriptors leak")
        result.expect(b"Traceback" not in server.log(), "a traceback in the log")
        result.expect(server.end() == 0, "it did not end in order")
    return result


# --- The command ----------------------------------------------------------------------

PROOFS: dict[str, Callable[..., Result]] = {
    "fuzz-parser": fuzz_parser,
    "fuzz": fuzz,
    "slow": slow,
    "slowhttptest": slowhttptest,
    "descriptors": descriptors,
    "drain": drain,
    "kill": kill,
    "soak": soak,
}


def save(result: Result, path: Path) -> None:
    """Put it beside what others saw, in place of what it saw before."""
    record = json.loads(path.read_text()) if path.exists() else {}
    head, changed = commit()
    record[result.proof] = asdict(result) | {
        "holds": result.holds,
        "commit": f"{head}{' with changes' if changed else ''}",
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab tough",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proofs", nargs="+", choices=[*PROOFS, "all"], metavar="PROOF")
    parser.add_argument("--count", type=int, help="inputs, clients or repetitions")
    parser.add_argument("--seconds", type=float, help="the length or bound of a run")
    parser.add_argument("--output", type=Path, default=RECORD, help="the record")
    arguments = parser.parse_args(argv)
    bounds = {
        name: value
        for name in ("count", "seconds")
        if (value := getattr(arguments, name)) is not None
    }
    names = list(PROOFS) if "all" in arguments.proofs else arguments.proofs
    failed = 0
    for name in names:
        result = PROOFS[name](**bounds)
        print(result, flush=True)
        save(result, arguments.output)
        failed += not result.holds
    return 1 if failed else 0
