"""The server's process as the system sees it: `/proc` on Linux, `ps` elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lab.load.target import LoadError

PROC = Path("/proc")
#: For so long a process is looked at: does it rest?
REST_S = 0.1
LISTEN = "0A"
SYN_RECEIVED = "03"
#: ESTABLISHED, and CLOSE-WAIT: the client has closed.
CONNECTED = ("01", "08")
#: FIN-WAIT-1, FIN-WAIT-2 and CLOSING: it has closed, and the client has not.
CLOSING = ("04", "05", "0B")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Watched:
    """The processes of one server, from outside: these, and what they have started."""

    def __init__(self, pids: list[int]) -> None:
        self._first = pids
        #: It spins while nobody is there: there is no rest to wait for.
        self.restless = False
        self.look_again()

    def look_again(self) -> None:
        """Some servers start processes when there is more to do, and end them later."""
        self.pids = _family(self._first)

    def cpu_s(self) -> float:
        """Processor time so far, of all of them, in hundredths of a second."""
        return sum(map(_cpu_s, self.pids))

    def fine_cpu_s(self) -> float | None:
        """The same of the threads that live, in nanoseconds; None: not known."""
        total = 0
        for pid in self.pids:
            for task in _list(PROC / str(pid) / "task"):
                words = _read(task / "schedstat").split()
                if not words:
                    return None
                total += int(words[0])
        return total / 1e9 if total else None

    def wanted_s(self) -> float:
        """Processor time that they had so far, and that their living threads waited for
        in vain: beside a busy program who spins has little, and wants all of it."""
        return max(self.cpu_s(), self.fine_cpu_s() or 0.0) + (self.waited_s() or 0.0)

    def wants(self, seconds: float) -> float:
        """How many processors they want, looked at for so long."""
        began, before = time.monotonic(), self.wanted_s()
        time.sleep(seconds)
        return max(0.0, self.wanted_s() - before) / (time.monotonic() - began)

    def rests_within(self, limit_s: float) -> bool:
        """Wait until they want less than a fifth of a processor; False: they do not."""
        until = time.monotonic() + limit_s
        if self.restless:
            time.sleep(min(limit_s, REST_S))
            return True
        while time.monotonic() < until:
            # A wait is counted when it has ended, so it may not have been until now.
            if self.wants(REST_S) <= 0.2 and not self.wants_to_run():
                return True
        return False

    def open_files(self, port: int) -> int | None:
        """How many files they have open, and connections to that port; None: not known.

        Connections to others are not counted: a proxy keeps many, and is right.
        """
        names = [name for pid in self.pids for name in _files(pid)]
        files = sum(not name.startswith("socket:") for name in names)
        return files + (accepted(port) or 0) if names else None

    def wants_to_run(self) -> bool:
        """Whether one of the threads runs or waits for a processor just now."""
        stats = (
            _read(task / "stat")
            for pid in self.pids
            for task in _list(PROC / str(pid) / "task")
        )
        return any(stat.rpartition(")")[2][1:2] == "R" for stat in stats)

    def waited_s(self) -> float | None:
        """How long the threads that live have waited for a processor, together."""
        total = 0
        for pid in self.pids:
            for task in _list(PROC / str(pid) / "task"):
                words = _read(task / "schedstat").split()
                if len(words) < 2:
                    return None
                total += int(words[1])
        return total / 1e9

    def rss_bytes(self) -> int:
        return sum(map(_rss_bytes, self.pids))

    def workers(self) -> int:
        """How many processes and threads there are now."""
        self.look_again()
        return len(self.pids) + self.threads()

    def threads(self) -> int:
        return sum(len(_list(PROC / str(pid) / "task")) for pid in self.pids)

    def waits_with(self) -> str:
        """How they wait, as far as what they have open says: "epoll", or "no epoll"
        (threads, poll or select); "" where that cannot be seen."""
        names = [name for pid in self.pids for name in _files(pid)]
        if any("[eventpoll]" in name or "[io_uring]" in name for name in names):
            return "epoll"
        return "no epoll" if names else ""

    def descriptors(self) -> int | None:
        """How many files one of them may open: the least."""
        limits = []
        for pid in self.pids:
            text = _read(PROC / str(pid) / "limits")
            if match := re.search(r"Max open files\s+(\d+)", text):
                limits.append(int(match[1]))
        return min(limits, default=None)

    def highest_descriptor(self) -> int | None:
        """The highest number of a file that one of them has open; None: not known."""
        names = [
            each.name for pid in self.pids for each in _list(PROC / str(pid) / "fd")
        ]
        return max(map(int, names), default=None)

    def alive(self) -> bool:
        return any(map(_alive, self.pids))


class Others:
    """How much other programs use the processors, from now on. Linux only."""

    def __init__(self, watched: Watched | None) -> None:
        self._watched = watched
        self._began = time.monotonic()
        self._before = self._used()

    def cpu(self) -> float | None:
        """Processors, on average; None: not known."""
        now = self._used()
        if self._before is None or now is None or self._watched is None:
            return None
        return max(0.0, now - self._before) / (time.monotonic() - self._began)

    def _used(self) -> float | None:
        """Seconds that were used so far, less the server's and ours."""
        words = _read(PROC / "stat").partition("\n")[0].split()[1:]
        if not words:
            return None
        user, nice, system, _, _, irq, softirq, *_ = map(int, words)
        ours = os.times()
        server = self._watched.cpu_s() if self._watched else 0.0
        return (user + nice + system + irq + softirq) / TICKS - server - sum(ours[:4])


def find(host: str, port: int, pid: int | None) -> Watched | None:
    """The processes that listen there, or this one and those that it has started.

    None: they cannot be found. LoadError if this one is not there, or is another.
    """
    inodes = _listeners(port)
    holders = _holders(inodes) if inodes else []
    if pid is None:
        return Watched(holders) if holders else None
    if not _alive(pid):
        raise LoadError(f"there is no process {pid}")
    family = {pid, *_descendants(pid)}
    if os.getpid() in family and pid != os.getpid() and pid not in holders:
        # A shell, or the first process of all: to watch it is to watch everything.
        raise LoadError(
            f"process {pid} does not listen on {host}:{port}, and has started this "
            "doctor as well: give the server's own process"
        )
    if not holders:
        return Watched(sorted(family))
    listening = family.intersection(holders)
    if not listening:
        others = ", ".join(map(str, holders))
        raise LoadError(
            f"process {pid} does not listen on {host}:{port}; {others} does"
        )
    # What else it has started is no part of the server.
    return Watched(sorted(listening))


def _family(pids: list[int]) -> list[int]:
    """These, and what they have started: often it is workers that do the work, and
    their parent that has the listener. Who has started us as well, has more children
    than the server's.
    """
    started: set[int] = set()
    for pid in pids:
        if pid not in started:
            children = _descendants(pid)
            if os.getpid() not in (pid, *children):
                started.update(children)
    return sorted({*pids, *started})


def overflows() -> int:
    """How often a listener's queue was full, in all of this system. Linux only."""
    lines = _read(PROC / "net" / "netstat").splitlines()
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        if names.startswith("TcpExt:"):
            counts = dict(zip(names.split(), numbers.split(), strict=False))
            return int(counts.get("ListenOverflows", 0))
    return 0


def backlog(port: int) -> int | None:
    """How many connections may wait to be accepted, as `ss` says it."""
    return min((room for _, room in _queues(port)), default=None)


def queue_is_full(port: int) -> bool:
    """Whether nobody else may wait there just now, as far as `ss` says it."""
    return any(waiting > room for waiting, room in _queues(port))


def _queues(port: int) -> list[tuple[int, int]]:
    """How many wait to be accepted, and how many may, for each of its listeners."""
    try:
        done = subprocess.run(
            ["ss", "-ltnH", f"sport = :{port}"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    return [
        (int(words[1]), int(words[2]))
        for words in lines
        if len(words) > 2 and words[1].isdigit() and words[2].isdigit()
    ]


def _alive(pid: int) -> bool:
    if PROC.is_dir() and sys.platform == "linux":
        state = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
        return bool(state) and state[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _listeners(port: int) -> set[str]:
    """The inodes of the sockets that listen on a port."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in _read(PROC / "net" / name).splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                found.add(words[9])
    return found


def in_the_kernel(port: int) -> tuple[int, int]:
    """How many bytes of a server's answers nobody has read, on their way or arrived,
    and how many of requests it has not read. Where it works on requests whose answers
    nobody reads, the one grows or the other shrinks. Linux only; else zeros."""
    answers = requests = 0
    for words in _connections():
        here, there = (int(word.rpartition(":")[2], 16) for word in words[1:3])
        sending, receiving = (int(size, 16) for size in words[4].split(":"))
        if here == port:
            answers, requests = answers + sending, requests + receiving
        elif there == port:
            answers += receiving
    return answers, requests


def _connections() -> Iterator[list[str]]:
    """The lines on TCP connections in /proc/net, in words."""
    for name in ("tcp", "tcp6"):
        for line in _read(PROC / "net" / name).splitlines():
            words = line.split()
            if len(words) >= 10 and words[3] in CONNECTED:
                yield words


def accepted(port: int) -> int | None:
    """How many connections to a port have been accepted and not closed by the server.

    One that waits for it in the kernel has no inode yet. Linux only; else None.
    """
    if not (PROC / "net" / "tcp").exists():
        return None
    return sum(
        words[9] != "0"
        for words in _connections()
        if int(words[1].rpartition(":")[2], 16) == port
    )


def deferred(port: int) -> int:
    """How many connections the kernel keeps from the server until they say something,
    or for some time (TCP_DEFER_ACCEPT). Linux only."""
    tables = [_read(PROC / "net" / name) for name in ("tcp", "tcp6")]
    rows = [line.split() for line in "".join(tables).splitlines()]
    return sum(
        int(words[1].rpartition(":")[2], 16) == port
        for words in rows
        if len(words) > 3 and words[3] == SYN_RECEIVED
    )


def has_closed(port: int, peer: int) -> bool:
    """Whether the server has closed its connection to that port of a client: who reads
    nothing is told so only behind what it has not read. Linux only; else False."""
    tables = [_read(PROC / "net" / name) for name in ("tcp", "tcp6")]
    rows = [line.split() for line in "".join(tables).splitlines()]
    return any(
        words[3] in CLOSING and (_port_of(words[1]), _port_of(words[2])) == (port, peer)
        for words in rows
        if len(words) > 3
    )


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _holders(inodes: set[str]) -> list[int]:
    """Who has one of these sockets open, as far as we may see it."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return sorted(
        int(each.name)
        for each in _list(PROC)
        if each.name.isdigit() and wanted.intersection(_files(int(each.name)))
    )


def _files(pid: int) -> list[str]:
    names = []
    for each in _list(PROC / str(pid) / "fd"):
        with contextlib.suppress(OSError):
            names.append(os.readlink(each))
    return names


def _descendants(pid: int) -> list[int]:
    """What it has started, and what those have."""
    parents: dict[int, list[int]] = {}
    if PROC.is_dir() and sys.platform == "linux":
        for each in _list(PROC):
            words = _read(each / "stat").rpartition(")")[2].split()
            if each.name.isdigit() and len(words) > 1:
                parents.setdefault(int(words[1]), []).append(int(each.name))
    else:
        for line in _ps("-A", "-o", "pid=,ppid=").splitlines():
            child, parent = map(int, line.split())
            parents.setdefault(parent, []).append(child)
    found: list[int] = []
    todo = [pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def _cpu_s(pid: int) -> float:
    words = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    if words:
        # Its own, and that of those whom it has started, and who have ended: a CGI's.
        return sum(map(int, words[11:15])) / TICKS
    total = 0.0
    for part in re.split(r"[-:]", _ps("-o", "cputime=", "-p", str(pid)).strip()):
        with contextlib.suppress(ValueError):
            total = total * 60 + float(part)
    return total


def _rss_bytes(pid: int) -> int:
    words = _read(PROC / str(pid) / "statm").split()
    if words:
        return int(words[1]) * PAGE_BYTES
    try:
        return int(_ps("-o", "rss=", "-p", str(pid))) * 1024
    except ValueError:
        return 0


def _ps(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["ps", *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _list(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []
