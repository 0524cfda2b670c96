"""What the proofs share: their result, a server, and clients made by hand."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lab.measure.servers import step_command
from lab.paths import ROOT

#: Nothing that a server does at once may take so long.
HANG_S = 20.0
#: How soon descriptors are closed when nobody is there any more.
CLOSED_AFTER_S = 5.0
#: An honest client is answered in this time, whatever the others do.
HONEST_LIMIT_S = 0.1
#: Resident memory that may be gained: allocators keep some of what they had.
FLAT_BYTES = 6_000_000
#: What it costs to look whether something has happened.
LOOK_PAUSE_S = 0.01

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

#: To be called with the share that is done, from 0 to 1.
Tell = Callable[[float], object]
Fact = float | int | str


def tell_nobody(share: float) -> None:
    pass


@dataclass
class Result:
    """What a proof saw. It holds if there are no complaints."""

    facts: dict[str, Fact] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def expect(self, condition: object, complaint: str) -> None:
        if not condition and complaint not in self.complaints:
            self.complaints.append(complaint)


class Subject:
    """A step that runs as a process of its own, and what it writes."""

    def __init__(
        self, step: str = "step12", *flags: str, wrapper: Sequence[str] = ()
    ) -> None:
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115 - see __exit__()
        self._popen = subprocess.Popen(
            [*wrapper, *step_command(" ".join((step, *flags))).argv],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C is for the lab
        )
        self.process = psutil.Process(self._popen.pid)
        try:
            match = self._wait_for(rb"listening on http://127\.0\.0\.1:(\d+)", 0)
        except BaseException:
            self.__exit__()
            raise
        self.port = int(match[1])

    def log(self) -> bytes:
        return Path(self._log.name).read_bytes()

    def stats(self) -> dict[str, float]:
        begin = len(self.log())
        self._popen.send_signal(signal.SIGUSR1)
        match = self._wait_for(rb"stats( .+)\n", begin)
        pairs = (pair.split("=") for pair in match[1].decode().split())
        return {name: float(value) for name, value in pairs}

    def _wait_for(self, pattern: bytes, begin: int) -> re.Match[bytes]:
        found: list[re.Match[bytes] | None] = [None]

        def look() -> bool:
            found[0] = re.search(pattern, self.log()[begin:])
            return bool(found[0]) or self.has_ended

        soon(look)
        if found[0] is None:
            said = self.log()[-500:].decode(errors="replace")
            raise RuntimeError(f"it did not say {pattern!r}, but: {said}")
        return found[0]

    @property
    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        return int(self.process.memory_info().rss)

    def expect_closed(self, result: Result, descriptors: int) -> None:
        """It has no more open than that; ask when all clients have left."""
        flat = soon(lambda: self.process.num_fds() <= descriptors, CLOSED_AFTER_S)
        result.expect(flat, "descriptors have leaked")

    def end_in_order(self, result: Result) -> None:
        """SIGTERM, and wait."""
        self._popen.terminate()
        ended = soon(lambda: self.has_ended, HANG_S)
        result.expect(ended and self._popen.wait() == 0, "it did not end in order")
        result.expect(b"Traceback" not in self.log(), "there is a traceback in the log")

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._log.close()


# --- Clients --------------------------------------------------------------------------


def soon(happened: Callable[[], bool], within_s: float = HANG_S) -> bool:
    """Whether it happens in time."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_PAUSE_S)
    return True


def pass_time(seconds: float, tell: Tell) -> None:
    """For what needs time to go wrong."""
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        tell(passed / seconds)
        time.sleep(min(0.5, seconds - passed))


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), HANG_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reset(sock: socket.socket) -> None:
    """Go with a RST, which also leaves no port in TIME_WAIT."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def receive_answer(sock: socket.socket) -> tuple[int, bool]:
    """The status, and whether the connection is kept. OSError if it is not whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    match = re.search(rb"Content-Length: (\d+)", head)
    left = (int(match[1]) if match else 0) - len(body)
    while left > 0:
        left -= len(_receive(sock))
    return int(head[9:12]), b"\r\nConnection: close" not in head


def _receive(sock: socket.socket) -> bytes:
    piece = sock.recv(1 << 20)
    if not piece:
        raise ConnectionAbortedError("closed before the answer was whole")
    return piece


class Honest:
    """Asks for the document again and again, on a kept connection and on new ones."""

    def __init__(self, port: int, pause_s: float = 0.01) -> None:
        self.connections = 1
        self._times_s: list[float] = []
        self._errors: list[str] = []
        self._port = port
        self._pause_s = pause_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            with connect(self._port) as kept:
                while not self._ended.wait(self._pause_s):
                    self._ask(kept)
                    self._ask(None)
        except OSError as error:
            self._errors.append(repr(error))

    def _ask(self, kept: socket.socket | None) -> None:
        begin = time.monotonic()
        sock = kept or connect(self._port)
        try:
            sock.sendall(GET)
            status, _ = receive_answer(sock)
            self._times_s.append(time.monotonic() - begin)
            if status != 200:
                raise OSError(f"status {status}")
        finally:
            if kept is None:
                self.connections += 1
                reset(sock)

    def __enter__(self) -> Honest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(HANG_S)

    def judge(self, result: Result, when: str) -> None:
        """Add what it saw to what others saw before it."""
        worst_ms = round(1000 * max(self._times_s, default=0), 1)
        before = result.facts
        result.facts |= {
            "honest requests": int(before.get("honest requests", 0))
            + len(self._times_s),
            "the slowest ms": max(float(before.get("the slowest ms", 0)), worst_ms),
        }
        result.expect(not self._errors, f"{when}: honest: {self._errors[:1]}")
        result.expect(self._times_s, f"{when}: no honest client was answered")
        result.expect(
            worst_ms < 1000 * HONEST_LIMIT_S,
            f"{when}: an honest client waited {worst_ms} ms",
        )
