"""One point: one timed run of it, its system calls, and what silence costs there.

Each timed run has a server of its own.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Literal

from lab.load.run import LoadSpec, run_load
from lab.load.silent import SilentClients
from lab.load.target import LoadError
from lab.load.wrk import run_wrk, wrk_version
from lab.measure import c_server, peers
from lab.measure.machine import Cores, usable_cores
from lab.measure.pythons import Pythons
from lab.measure.servers import (
    RunningServer,
    Sample,
    ServerCommand,
    ServerError,
    core_busy_s,
    count_syscalls,
    running,
    step_command,
)
from lab.record.matrix import GIVE_UP_S, Plan, is_step
from lab.record.model import LatencyMs, Repeat, SilentCost
from lab.record.names import ALL_CORES_FLAG

HOST = "127.0.0.1"
#: What a run takes beside its timed part, in seconds: starting and stopping the server
#: and the generator, opening the connections. It only serves the estimate.
OVERHEAD_S = 0.5
#: And for each connection; it matters with ten thousand.
CONNECT_S = 0.00015
#: Length of a run under strace, in seconds.
SYSCALLS_S = 1.0
#: All of such a run, about.
COUNTING_S = 2.5
#: How long a server may take to accept silent connections, and how often one looks.
ACCEPT_LIMIT_S = 90.0
ACCEPT_PAUSE_S = 0.3
#: How long a server that only holds silent connections is left alone before its CPU
#: time is watched, and how long it is watched, in seconds.
SETTLE_S = 1.0
WATCH_S = 3.0
#: All of such a run, about.
SILENCE_S = 9.0
#: The most generator processes, where there are cores for them.
MAX_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long each point is measured."""

    repeats: int = 5
    seconds: float = 2.0
    warmup_s: float = 0.4

    def of_run(self, plan: Plan) -> float:
        """About how long one run of that point takes, in seconds."""
        seconds, warmup_s = self.seconds * plan.patience, self.warmup_s
        if plan.generator == "wrk":  # it counts in whole seconds
            seconds, warmup_s = math.ceil(seconds), math.ceil(warmup_s)
        connecting = CONNECT_S * (plan.connections + plan.silent)
        return seconds + warmup_s + OVERHEAD_S + connecting + plan.more_s

    def repeats_of(self, plan: Plan) -> int:
        return min(self.repeats, plan.repeats or self.repeats)

    def of_all(self, plans: Sequence[Plan]) -> float:
        counting = COUNTING_S * sum(plan.syscalls for plan in plans)
        counting += sum(SILENCE_S + plan.more_s for plan in plans if plan.silent_cost)
        return counting + sum(self.repeats_of(p) * self.of_run(p) for p in plans)


def measure_once(
    plan: Plan,
    timing: Timing,
    cores: Cores,
    position: int,
    pythons: Pythons = MappingProxyType({}),
) -> Repeat:
    """Start the server, load it for a while, and stop it."""
    samples: dict[str, tuple[float, float | None, Sample]] = {}
    server_cores = cores_of(plan.server, cores)
    alone = len(server_cores) == 1
    python = None if plan.gil is None else pythons[plan.gil]
    with (
        running(command_for(plan.server, python), cores=server_cores) as server,
        SilentClients(
            HOST, server.port, plan.silent, plan.manner, plan.more_s
        ) as silent,
    ):
        if plan.silent:
            wait_until_accepted(server)

        def sample(moment: Literal["start", "end"]) -> None:
            core_s = core_busy_s(server_cores[0]) if alone else None
            samples[moment] = time.monotonic(), core_s, server.sample()

        load = run_wrk if plan.generator == "wrk" else run_load
        # The silent ones are there already.
        spec = load_spec(replace(plan, silent=0), server.port, timing, cores)
        result = load(spec, sample)
        silent_open = silent.still_open()
    start_s, core_before, before = samples["start"]
    end_s, core_after, after = samples["end"]
    server_cpu = (after.cpu_s - before.cpu_s) / (end_s - start_s)
    others_cpu = None
    if core_before is not None and core_after is not None:
        others_cpu = (core_after - core_before) / (end_s - start_s) - server_cpu
        others_cpu = max(0.0, others_cpu)
    result = result.judged(server_cpu, max(1, len(server_cores)))
    # To answer nobody beside clients that do not read is a result, and no failure.
    if not result.requests and plan.manner != "unread":
        errors = [f"{count} × {kind}" for kind, count in result.errors.items()]
        raise LoadError(": ".join(["no request was answered", *errors]))

    def per_request(first: int | None, last: int | None) -> float | None:
        if first is None or last is None or not result.requests:
            return None
        # A thread that has ended took its count with it.
        return max(0, last - first) / result.requests

    return Repeat(
        position_in_run=position,
        seconds=result.seconds,
        requests=result.requests,
        throughput_rps=result.throughput_rps,
        latency_ms=LatencyMs(**asdict(result.latency)) if result.latency else None,
        errors=result.errors,
        reconnects=result.reconnects,
        silent_open=silent_open,
        server_cpu=server_cpu,
        others_cpu=others_cpu,
        generator_cpu=result.generator_cpu,
        generator_busy=result.generator_busy,
        generator_bound=result.generator_bound,
        voluntary_switches_per_request=per_request(
            before.voluntary_switches, after.voluntary_switches
        ),
        involuntary_switches_per_request=per_request(
            before.involuntary_switches, after.involuntary_switches
        ),
        peak_rss_bytes=after.peak_rss_bytes,
        stats={
            name: round(value - before.stats.get(name, 0.0), 6)
            for name, value in after.stats.items()
        },
    )


def measure_syscalls(plan: Plan, cores: Cores) -> dict[str, float]:
    def load(port: int) -> tuple[int, float, float]:
        window: dict[str, float] = {}

        def note(moment: Literal["start", "end"]) -> None:
            window[moment] = time.time()

        spec = load_spec(plan, port, Timing(seconds=SYSCALLS_S), cores)
        return run_load(spec, note).requests, window["start"], window["end"]

    counts = count_syscalls(
        command_for(plan.server), load, cores=cores_of(plan.server, cores)
    )
    return {name: round(count, 4) for name, count in counts.items()}


def measure_silent_cost(plan: Plan, timing: Timing, cores: Cores) -> SilentCost:
    """What the plan's silent connections cost while nobody says anything."""
    server_cores = cores_of(plan.server, cores)
    with running(command_for(plan.server), cores=server_cores) as server:
        # What is allocated once, and by the first requests, is none of theirs.
        run_load(load_spec(replace(plan, silent=0), server.port, timing, cores))
        time.sleep(SETTLE_S)
        before, open_before = server.sample(), server.descriptors()
        with SilentClients(
            HOST, server.port, plan.silent, plan.manner, plan.more_s
        ) as silent:
            wait_until_accepted(server)
            time.sleep(SETTLE_S)
            began, first = time.monotonic(), server.sample()
            time.sleep(WATCH_S)
            last, seconds = server.sample(), time.monotonic() - began
            accepted = server.descriptors() - open_before
            still_open = silent.still_open()
    return SilentCost(
        connections=plan.silent,
        accepted=max(0, accepted),
        still_open=still_open,
        rss_before_bytes=before.rss_bytes,
        rss_after_bytes=last.rss_bytes,
        seconds=seconds,
        cpu=(last.cpu_s - first.cpu_s) / seconds,
    )


def wait_until_accepted(server: RunningServer) -> None:
    """Wait until the server takes no more connections from the kernel.

    Some accept them slowly: that is told by how long the measurement takes, and is no
    part of what it costs to hold them.
    """
    deadline = time.monotonic() + ACCEPT_LIMIT_S
    before = -1
    while before != (now := server.descriptors()):
        if time.monotonic() > deadline:
            raise ServerError(
                f"{server.name} was still accepting after {ACCEPT_LIMIT_S:.0f} s"
            )
        before = now
        time.sleep(ACCEPT_PAUSE_S)


def load_spec(plan: Plan, port: int, timing: Timing, cores: Cores) -> LoadSpec:
    helpers = len(cores.generator) or usable_cores() - 1
    return LoadSpec(
        timeout_s=GIVE_UP_S if plan.manner == "unread" else LoadSpec.timeout_s,
        host=HOST,
        port=port,
        connections=plan.connections,
        seconds=timing.seconds * plan.patience,
        warmup_s=timing.warmup_s,
        keep_alive=plan.mode == "keep-alive",
        silent=plan.silent,
        headers=plan.headers,
        path=plan.path,
        stagger_s=plan.stagger_s,
        processes=max(1, min(MAX_PROCESSES, helpers, plan.connections)),
        cpus=cores.generator or None,
    )


def command_for(server: str, python: str | None = None) -> ServerCommand:
    """python: what runs it; None: the Python that measures."""
    if is_step(server):
        return step_command(server, python or sys.executable)
    if c_server.is_c_server(server):
        return c_server.c_server_command(server)
    return peers.peer_command(server)


def cores_of(server: str, cores: Cores) -> tuple[int, ...]:
    """Where that server runs: on its core, or on all if it can use them."""
    if server.endswith(ALL_CORES_FLAG):
        return (*cores.server, *cores.generator)
    if not c_server.is_c_server(server) and (
        is_step(server) or peers.CONTESTANTS[server].cores == 1
    ):
        return cores.server
    return (*cores.server, *cores.generator)


def unavailable(plan: Plan) -> str | None:
    """Why that point cannot be measured on this machine; None: it can."""
    if plan.generator == "wrk" and wrk_version() is None:
        return "wrk is not installed"
    if is_step(plan.server):
        return None
    if c_server.is_c_server(plan.server):
        return c_server.unavailable()
    return peers.unavailable(plan.server)
