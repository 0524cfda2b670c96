"""Start a server to be measured, sample what it costs, and stop it for certain.

A server is a step or a peer, run as a process of its own, pinned to the server's core
where the system can pin. Whatever happens, it is gone when its ``with`` block ends:
asked by SIGTERM first, killed after `STOP_LIMIT_S`.

Sampling reads counters that the kernel and the step keep anyway, before and after a
run; nothing is attached while the time is taken. System calls are counted by strace,
which slows a server down many times, and so in a run of their own.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.measure.machine import pinned
from lab.paths import ROOT
from lab.record.names import ALL_CORES_FLAG, NODELAY_FLAG, ONE_WRITE_FLAG
from steps.step13.settings import Settings

START_LIMIT_S = 15.0
STATS_LIMIT_S = 5.0
STOP_LIMIT_S = 5.0
#: Between two attempts to get a first answer.
ANSWER_PAUSE_S = 0.05

#: Steps and peers alike say where they listen, with a URL.
_LISTENING = re.compile(r"http://(?:[\w.]+|\[[\w:]+\]):(?P<port>\d+)")
_STATS = re.compile(r"\bstats(?P<values>( \w+=[-+.\w]+)+)\s*$")
#: A line of strace -f -ttt: "1234  1700000000.123456 recvfrom(5, ..."
_CALL = re.compile(r"\d+\s+(?P<time>\d+\.\d+) (?P<name>\w+)\(")


#: A server is started by strace, for attaching to a process may not be allowed. What
#: is not counted runs at full speed (--seccomp-bpf). futex, which is how threads wait
#: for a lock and for Python's GIL, must: slowed down, it happens many times as often.
STRACE = (
    *("strace", "--follow-forks", "--seccomp-bpf", "--quiet=all"),
    *("--absolute-timestamps=format:unix,precision:us", "--string-limit=0"),
    *("--signal=none", "--trace=!futex"),
)


#: Steps whose work is done by processes that they start.
SUPERVISORS = frozenset({"step14"})


class ServerError(Exception):
    """A server that did not do as it should; the message is one line."""


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How to start a server on a free port of 127.0.0.1."""

    name: str
    argv: tuple[str, ...]
    #: Whether it logs its stats on SIGUSR1, as steps do (it would kill a peer).
    has_stats: bool = True
    #: Whether processes that it starts do the work: they count. And it may say where it
    #: listens before it does, so an answer is waited for.
    has_children: bool = False


def step_command(name: str, python: str = sys.executable) -> ServerCommand:
    """name: a step and, after a space, its flags: "step10 --workers 0"."""
    step, *flags = name.split()
    halves = [flag for flag in flags if flag in (ONE_WRITE_FLAG, NODELAY_FLAG)]
    module = "lab.measure.halves" if halves else f"steps.{step}"
    rest = [flag for flag in flags if flag not in (*halves, ALL_CORES_FLAG)]
    return ServerCommand(
        name,
        (python, "-m", module, *halves, "--port", "0", *rest),
        has_children=step in SUPERVISORS,
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters of a running server, all since it started."""

    cpu_s: float
    voluntary_switches: int
    #: None where the system does not count them apart.
    involuntary_switches: int | None
    peak_rss_bytes: int
    rss_bytes: int
    stats: Mapping[str, float]


class RunningServer:
    """A server that listens on ``127.0.0.1:port``."""

    def __init__(self, command: ServerCommand, process: subprocess.Popen[str]) -> None:
        self.name = command.name
        self.port = 0
        self.pid = process.pid
        self._has_stats = command.has_stats
        self._has_children = command.has_children
        self._process = process
        self._lines: deque[str] = deque(maxlen=200)
        self._seen = 0  # lines read so far, of which _lines keeps the last
        self._closed = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def sample(self) -> Sample:
        """The counters now. A step's own come a few milliseconds after the kernel's."""
        try:
            processes = self._processes()
            times = [process.cpu_times() for process in processes]
            switches = [_switches(process) for process in processes]
            peak = sum(map(_peak_rss, processes))
            rss = sum(process.memory_info().rss for process in processes)
        except (psutil.Error, OSError):
            raise ServerError(f"{self.name} has ended{self._last_words()}") from None
        involuntary = [own for _, own in switches if own is not None]
        return Sample(
            cpu_s=sum(each.user + each.system for each in times),
            voluntary_switches=sum(own for own, _ in switches),
            involuntary_switches=sum(involuntary) if involuntary else None,
            peak_rss_bytes=peak,
            rss_bytes=rss,
            stats=self._ask_stats() if self._has_stats else {},
        )

    def descriptors(self) -> int:
        """How many it has open now."""
        try:
            return sum(process.num_fds() for process in self._processes())
        except (psutil.Error, OSError):
            raise ServerError(f"{self.name} has ended{self._last_words()}") from None

    def wait_until_listening(self) -> None:
        match = self._wait_for(_LISTENING, START_LIMIT_S, since=0)
        if match is None:
            what = "ended before it listened" if self._closed else "does not listen"
            raise ServerError(f"{self.name} {what}{self._last_words()}")
        self.port = int(match["port"])
        if self._has_children:
            self._wait_until_it_answers()

    def stop(self) -> None:
        """Ask, then kill. The group, for a tracer may stand in between."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT_S)
                break
        self._reader.join(STOP_LIMIT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.pid)
        if not self._has_children:
            return [server]
        return [server, *server.children(recursive=True)]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while (left := deadline - time.monotonic()) > 0:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, left)
            with contextlib.closing(connection):
                try:
                    connection.request("GET", "/")
                    connection.getresponse().read()
                except (OSError, http.client.HTTPException):
                    time.sleep(ANSWER_PAUSE_S)
                else:
                    return
        raise ServerError(f"{self.name} does not answer{self._last_words()}")

    def _ask_stats(self) -> dict[str, float]:
        with self._news:
            since = self._seen
        self._process.send_signal(signal.SIGUSR1)
        match = self._wait_for(_STATS, STATS_LIMIT_S, since=since)
        if match is None:
            raise ServerError(f"{self.name} did not log its stats on SIGUSR1")
        pairs = (pair.split("=") for pair in match["values"].split())
        return {name: float(value) for name, value in pairs}

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip())
                self._seen += 1
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _wait_for(
        self, pattern: re.Pattern[str], limit_s: float, since: int
    ) -> re.Match[str] | None:
        """The first match in a line after the first `since`; None: none came."""
        deadline = time.monotonic() + limit_s
        with self._news:
            while True:
                new = self._seen - since
                for line in list(self._lines)[-new:] if new else []:
                    if match := pattern.search(line):
                        return match
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    return None
                self._news.wait(left)

    def _last_words(self) -> str:
        with self._news:
            said = next((line for line in reversed(self._lines) if line), "")
        return f": {said}" if said else ""


def default_setting(name: str) -> float:
    """What a flag of step 13 is where nobody gives it, such as "idle_timeout"."""
    value = getattr(Settings(), name)
    assert isinstance(value, int | float)
    return value


@contextmanager
def running(
    command: ServerCommand,
    *,
    cores: Sequence[int] = (),
    wrapper: Sequence[str] = (),
) -> Iterator[RunningServer]:
    """The server of that command while the block runs, and no longer.

    cores: what to pin it to. wrapper: a command to put before it, such as strace.
    """
    with pinned(cores):
        process = subprocess.Popen(
            [*wrapper, *command.argv],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own: Ctrl-C is for the lab, which then stops the server.
            process_group=0,
        )
    server = RunningServer(command, process)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.stop()


def count_syscalls(
    command: ServerCommand,
    load: Callable[[int], tuple[int, float, float]],
    *,
    cores: Sequence[int] = (),
) -> dict[str, float]:
    """System calls for each request, by name, under a load and strace.

    load: loads the server on that port; returns the requests answered, and when their
    counting began and ended (seconds since the epoch).
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "strace.log"
        wrapper = (*STRACE, "-o", str(log))
        with running(command, cores=cores, wrapper=wrapper) as server:
            requests, start, end = load(server.port)
        calls = Counter(_calls_between(log, start, end))
    if not requests:
        raise ServerError(f"{command.name} answered nothing under strace")
    return {name: count / requests for name, count in calls.most_common()}


def _calls_between(log: Path, start: float, end: float) -> Iterator[str]:
    with log.open(errors="replace") as lines:
        for line in lines:
            # A call that another thread's line interrupts is resumed on a line that
            # this does not match, so each is counted once, where it begins.
            match = _CALL.match(line)
            if match and start <= float(match["time"]) <= end:
                yield match["name"]


def core_busy_s(core: int) -> float:
    """Seconds that this core has worked for processes, or for another machine.

    The kernel's own work on the network is not in it: it is part of being a server.
    """
    times = psutil.cpu_times(percpu=True)[core]
    steal = getattr(times, "steal", 0.0)  # Linux: what the hypervisor took
    return float(times.user + times.nice + times.system + steal)


def _switches(process: psutil.Process) -> tuple[int, int | None]:
    """Voluntary and involuntary context switches of all threads."""
    if sys.platform != "linux":
        return process.num_ctx_switches().voluntary, None
    # psutil reads those of the main thread alone.
    voluntary = involuntary = 0
    for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
        fields = _fields(status)
        voluntary += int(fields["voluntary_ctxt_switches"])
        involuntary += int(fields["nonvoluntary_ctxt_switches"])
    return voluntary, involuntary


def _peak_rss(process: psutil.Process) -> int:
    if sys.platform != "linux":
        return process.memory_info().rss
    high_water_mark = _fields(Path(f"/proc/{process.pid}/status"))["VmHWM"]
    return int(high_water_mark.removesuffix(" kB")) * 1024


def _fields(status: Path) -> dict[str, str]:
    lines = status.read_text().splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}
