"""What machine this is, and which cores a measurement uses."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.paths import ROOT
from lab.record.model import Machine

#: Settings of the kernel that can move a figure here.
_LINUX_SETTINGS = (
    "net.ipv4.tcp_pingpong_thresh",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_autocorking",
)
_DARWIN_SETTINGS = (
    "net.inet.tcp.delayed_ack",
    "kern.ipc.somaxconn",
    "net.inet.ip.portrange.first",
    "net.inet.ip.portrange.last",
)


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the server and the generator run; empty tuples: wherever they like."""

    server: tuple[int, ...] = ()
    generator: tuple[int, ...] = ()

    def __str__(self) -> str:
        if usable_cores() < 2:
            return "server and generator share the only core"
        if not self.server:
            return "server and generator are not pinned to cores"
        others = ", ".join(map(str, self.generator))
        return f"server on core {self.server[0]}, generator on {others}"


def choose_cores() -> Cores:
    """One core for the server, others for the generator, where the system can pin.

    The two hardware threads of one core would disturb each other, so the generator
    stays away from the server's twin if there is any other core.
    """
    if sys.platform != "linux":
        return Cores()
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores()
    server = usable[0]
    others = [core for core in usable if core != server]
    apart = [core for core in others if core not in _twins(server)]
    return Cores((server,), tuple(apart or others))


def _twins(core: int) -> set[int]:
    """The hardware threads that share a core with this one, itself included."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    twins: set[int] = set()
    try:
        text = path.read_text()
    except OSError:
        return twins
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        twins.update(range(int(first), int(last or first) + 1))
    return twins


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Run this thread on those cores; a process started here begins there too."""
    if not cores or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe_machine(cores: Cores, tools: Mapping[str, str] | None = None) -> Machine:
    """What a record says of this machine. tools: versions of those used, by name."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(
        system=platform.system(),
        release=platform.release(),
        arch=platform.machine(),
        cpu_model=_cpu_model(),
        cores=usable_cores(),
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        server_cores=list(cores.server),
        generator_cores=list(cores.generator),
        descriptor_limit=sys.maxsize if soft == resource.RLIM_INFINITY else soft,
        kernel=_kernel_settings(),
        tools=dict(tools or {}),
        load_average=[round(load, 2) for load in os.getloadavg()],
    )


def usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def commit() -> tuple[str | None, bool]:
    """The commit of this checkout, and whether steps/ or lab/ differ from it.

    None where there is no git, or no history, or git does not read another's folder.
    """
    found = _output("git", "-C", str(ROOT), "rev-parse", "--show-toplevel", "HEAD")
    top, _, head = (found or "").partition("\n")
    # An archive that was unpacked in somebody's own repository is not of its commit.
    if not head or Path(top).resolve() != ROOT:
        return None, True
    changed = _output(
        "git", "-C", str(ROOT), "status", "--porcelain", "--", "steps", "lab"
    )
    return head, changed != ""


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    name = _output("sysctl", "-n", "machdep.cpu.brand_string")
    return name or platform.processor() or "not known"


def _kernel_settings() -> dict[str, str]:
    settings = {}
    if sys.platform == "linux":
        for name in _LINUX_SETTINGS:
            path = Path("/proc/sys") / name.replace(".", "/")
            if path.exists():
                settings[name] = " ".join(path.read_text().split())
    else:
        for name in _DARWIN_SETTINGS:
            value = _output("sysctl", "-n", name)
            if value:
                settings[name] = value
    return settings


def strace_version() -> str | None:
    """Such as "6.1"; None if strace is not installed."""
    if shutil.which("strace") is None:
        return None
    first = (_output("strace", "-V") or "").partition("\n")[0]
    return first.rpartition(" ")[2] or "unknown"


def _output(*command: str) -> str | None:
    """What a short command prints, or None if it fails or does not exist."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
