"""The same load as `lab/load/run.py`, from wrk where it is installed.

wrk is somebody else's, and widely used: where both find the same, neither made it up.
A script that gives each request a number of its own costs it its lead: the lab's own
generator is about as fast. It differs in what it counts:

- latency in close mode begins when the connection is open, not at `connect`;
- latencies far above their mean distance are filled up with made-up ones between (its
  correction for coordinated omission), so its high percentiles are not the raw ones;
- its clock is exact to a microsecond, and its errors have fewer kinds.

wrk has no warm-up and no constant rate. The warm-up is a run before the run.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

from lab.load.run import (
    COUNTER_DIGITS,
    Latency,
    LoadResult,
    LoadSpec,
    is_generator_bound,
)
from lab.load.silent import SilentClients
from lab.load.target import LoadError, nothing_listens

SCRIPT = Path(__file__).with_suffix(".lua")
MARK = "lab-json "
#: How long before its end it is asked what it used.
LAST_LOOK_S = 0.1
#: How long after its end wrk may take to report.
PATIENCE_S = 10.0


def wrk_version() -> str | None:
    """wrk's version, or None where it is not installed."""
    path = shutil.which("wrk")
    if not path:
        return None
    # `wrk -v` prints its version and its usage, and exits with 1.
    output = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10)
    words = (output.stdout + output.stderr).split()
    return words[1] if words[:1] == ["wrk"] and len(words) > 1 else "unknown"


def run_wrk(
    spec: LoadSpec, on_window: Callable[[Literal["start", "end"]], None] | None = None
) -> LoadResult:
    """`lab.load.run.run_load` with wrk. Seconds are rounded up to whole ones."""
    if not shutil.which("wrk"):
        raise LoadError("wrk is not installed (Debian: apt install wrk)")
    if spec.rate is not None:
        raise LoadError("wrk has no constant rate: use the lab's own generator")
    with SilentClients(spec.host, spec.port, spec.silent) as silent:
        if spec.warmup_s:
            _run(replace(spec, seconds=spec.warmup_s))
        if on_window:
            on_window("start")
        result = _run(spec)
        if on_window:
            on_window("end")
        return replace(result, silent_open=silent.still_open())


def _run(spec: LoadSpec) -> LoadResult:
    """One run of wrk."""
    seconds = max(1, math.ceil(spec.seconds))
    command = [
        "wrk",
        f"--threads={spec.processes}",
        f"--connections={spec.connections}",
        f"--duration={seconds}s",
        f"--timeout={max(1, math.ceil(spec.timeout_s))}s",
        f"--script={SCRIPT}",
        "--latency",
        f"{spec.url}{spec.path}",
        "--",
        *spec.request_parts(),
        str(COUNTER_DIGITS),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_pin(spec.cpus),
    )
    assert process.stdout
    began = time.monotonic()
    # wrk ends by itself; but if it did not, this must.
    limit = threading.Timer(seconds + spec.timeout_s + PATIENCE_S, process.kill)
    limit.start()
    try:
        # wrk prints at its end: this waits until shortly before, when it still runs.
        select.select([process.stdout], [], [], seconds - LAST_LOOK_S)
        cpu, busy = _busiest_thread(process.pid, time.monotonic() - began)
        output = process.stdout.read()
        # wait4 tells the processor time of this one child.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    took = time.monotonic() - began
    if not busy:
        # Only the mean of all threads is known.
        cpu = busy = (usage.ru_utime + usage.ru_stime) / took / spec.processes
    return _parse(spec, output, cpu, busy)


def _busiest_thread(pid: int, seconds: float) -> tuple[float, float]:
    """What share of so many seconds wrk's busiest thread was on a processor.

    And the same with the time in which it waited for one. 0, 0: the system does not
    tell.
    """
    shares = [(0.0, 0.0)]
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            running, waiting = (int(word) for word in path.read_text().split()[:2])
            busy = running + waiting
            shares.append((running / 1e9 / seconds, busy / 1e9 / seconds))
    return max(shares, key=lambda share: share[1])


def _pin(cpus: tuple[int, ...] | None) -> Callable[[], None] | None:
    """What the child does before it becomes wrk: keep to its processors."""
    if sys.platform != "linux" or not cpus:
        return None
    chosen = cpus
    return lambda: os.sched_setaffinity(0, chosen)


def _parse(spec: LoadSpec, output: str, cpu: float, busy: float) -> LoadResult:
    """wrk's output, of which one line is ours."""
    for line in output.splitlines():
        if line.startswith(MARK):
            break
    else:
        if "Connection refused" in output:
            raise nothing_listens(spec.host, spec.port)
        last = output.strip().splitlines()[-1:] or ["it printed nothing"]
        raise LoadError(f"wrk failed: {last[0]}")
    data = json.loads(line.removeprefix(MARK))
    seconds = data["microseconds"] / 1e6
    errors = {kind: n for kind, n in data["errors"].items() if n}
    # wrk counts answers of every status; ours are the right ones.
    requests = data["requests"] - errors.get("status", 0)
    names = [field.name for field in fields(Latency)]
    latency = Latency(**{name: data[name] / 1e3 for name in names})
    return LoadResult(
        requests=requests,
        seconds=seconds,
        throughput_rps=requests / seconds,
        latency=latency if data["requests"] else None,
        errors=errors,
        generator_cpu=cpu,
        generator_busy=busy,
        generator_bound=is_generator_bound(busy),
        bytes_received=data["bytes"],
    )
