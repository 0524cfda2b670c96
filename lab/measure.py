"""Measure a list of points into a record, so that an interruption costs little.

Each repeat visits all points, in rotated order, and each timed run has a server of
its own. After every run the record is written to a file beside the wanted one
(``….unfinished.json``), which takes its place at the end. Ctrl-C keeps what was
finished in the same way, with `complete` false; but a part never replaces a whole.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from lab import peers
from lab.load import LoadError, LoadSpec, run_load
from lab.machine import (
    Cores,
    choose_cores,
    commit,
    describe_machine,
    pinned,
    raise_descriptor_limit,
    strace_version,
    usable_cores,
)
from lab.matrix import GIVE_UP_S, Plan, book_plan, is_step, rotated
from lab.record import (
    READER,
    LatencyMs,
    Point,
    Record,
    RecordError,
    Repeat,
    SilentCost,
    load_record,
    save_record,
    short_path,
)
from lab.servers import (
    RunningServer,
    Sample,
    ServerCommand,
    ServerError,
    core_busy_s,
    count_syscalls,
    running,
    step_command,
)
from lab.silent import SilentClients
from lab.wrk import run_wrk, wrk_version

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
#: Descriptors that a server may need beside its connections.
MORE_DESCRIPTORS = 200
#: The most generator processes, where there are cores for them.
MAX_PROCESSES = 4
#: A machine with more to do than this, before we start, will disturb.
BUSY_LOAD = 0.7


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


# -- one run ------------------------------------------------------------------


def measure_once(plan: Plan, timing: Timing, cores: Cores, position: int) -> Repeat:
    """Start the server, load it for a while, and stop it."""
    samples: dict[str, tuple[float, float | None, Sample]] = {}
    server_cores = cores_of(plan.server, cores)
    alone = len(server_cores) == 1
    with (
        running(command_for(plan.server), cores=server_cores) as server,
        SilentClients(HOST, server.port, plan.silent, plan.manner) as silent,
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
        with SilentClients(HOST, server.port, plan.silent) as silent:
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
    timeout = {"timeout_s": GIVE_UP_S} if plan.manner == "unread" else {}
    return LoadSpec(
        **timeout,
        host=HOST,
        port=port,
        connections=plan.connections,
        seconds=timing.seconds * plan.patience,
        warmup_s=timing.warmup_s,
        keep_alive=plan.mode == "keep-alive",
        silent=plan.silent,
        headers=plan.headers,
        path=plan.path,
        processes=max(1, min(MAX_PROCESSES, helpers, plan.connections)),
        cpus=cores.generator or None,
    )


def command_for(server: str) -> ServerCommand:
    return step_command(server) if is_step(server) else peers.peer_command(server)


def cores_of(server: str, cores: Cores) -> tuple[int, ...]:
    """Where that server runs: on its core, or on all if it can use them."""
    if is_step(server) or peers.CONTESTANTS[server].cores == 1:
        return cores.server
    return (*cores.server, *cores.generator)


def unavailable(plan: Plan) -> str | None:
    """Why that point cannot be measured on this machine; None: it can."""
    if plan.generator == "wrk" and wrk_version() is None:
        return "wrk is not installed"
    return None if is_step(plan.server) else peers.unavailable(plan.server)


# -- a whole measurement ------------------------------------------------------


class Results:
    """A record in the making."""

    def __init__(self, plans: Sequence[Plan], cores: Cores) -> None:
        self.skipped = {plan: unavailable(plan) for plan in plans}
        self.failures: dict[Plan, str] = {}
        self.repeats: dict[Plan, list[Repeat]] = {plan: [] for plan in plans}
        self.syscalls: dict[Plan, dict[str, float]] = {}
        self.silent_costs: dict[Plan, SilentCost] = {}
        self._machine = describe_machine(cores)
        self._created_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self._commit, self._dirty = commit()

    @property
    def runs(self) -> int:
        """How many timed runs were finished."""
        return sum(map(len, self.repeats.values()))

    def record(self, *, complete: bool) -> Record:
        return Record(
            created_utc=self._created_utc,
            commit=self._commit,
            dirty=self._dirty,
            complete=complete,
            machine=self._machine,
            points=[
                point
                for point in map(self._point, self.repeats)
                if point.repeats or point.skipped
            ],
            contestants=[
                peers.contestant(name)
                for name in dict.fromkeys(plan.server for plan in self.repeats)
                if not is_step(name)
            ],
        )

    def _point(self, plan: Plan) -> Point:
        repeats = self.repeats[plan]
        reason = self.skipped[plan] or self.failures.get(plan)
        return plan.point().model_copy(
            update={
                "repeats": repeats,
                "syscalls_per_request": self.syscalls.get(plan),
                "silent_cost": self.silent_costs.get(plan),
                "skipped": None if repeats else reason,
            }
        )


#: One timed run; tests put another in the place of `measure_once`.
Runner = Callable[[Plan, Timing, Cores, int], Repeat]


def measure(
    plans: Sequence[Plan],
    timing: Timing,
    output: Path,
    console: Console,
    run_once: Runner = measure_once,
) -> Record:
    """Measure all plans into `output`; an interruption returns what was finished.

    The record's `complete` says which of the two it was. `exit_code` makes an exit
    code of the record.
    """
    most = max((plan.connections + plan.silent for plan in plans), default=0)
    raise_descriptor_limit(most + MORE_DESCRIPTORS)
    cores = choose_cores()
    results = Results(plans, cores)
    wanted = [plan for plan in plans if results.skipped[plan] is None]
    unfinished = output.with_suffix(".unfinished.json")
    announce(wanted, timing, cores, results, console)
    complete = False
    try:
        with _interruptible(), pinned(cores.generator), _Display(console) as display:
            display.begin(timing.of_all(wanted))
            for repeat in range(timing.repeats):
                for plan in rotated(wanted, repeat, timing.repeats):
                    what = f"repeat {repeat + 1} of {timing.repeats}: {plan}"
                    with display.running(what, timing.of_run(plan)):
                        _run(plan, timing, cores, results, run_once)
                    save_record(results.record(complete=False), unfinished)
            if strace_version() is not None:
                for plan in wanted:
                    if plan.syscalls:
                        what = f"system calls: {plan}"
                        with display.running(what, COUNTING_S):
                            _count(plan, cores, results)
            for plan in wanted:
                if plan.silent_cost:
                    what = f"memory and CPU: {plan}"
                    with display.running(what, SILENCE_S + plan.more_s):
                        _cost(plan, timing, cores, results)
        complete = True
    except KeyboardInterrupt:
        console.print(
            f"interrupted: {results.runs} of {sum(map(timing.repeats_of, wanted))} "
            "runs were finished"
        )
    for reason in dict.fromkeys(results.failures.values()):
        failed = [str(p) for p, why in results.failures.items() if why == reason]
        console.print(f"{'; '.join(failed)}: {reason}", style="yellow")
    record = results.record(complete=complete)
    _keep(record, output, unfinished, console)
    return record


def exit_code(record: Record) -> int:
    """0: measured; 130: interrupted, as by a shell's convention; 1: nothing came."""
    if not record.complete:
        return 130
    return 0 if any(point.repeats for point in record.points) else 1


def _run(
    plan: Plan, timing: Timing, cores: Cores, results: Results, run_once: Runner
) -> None:
    try:
        repeat = run_once(plan, timing, cores, results.runs)
    except (ServerError, LoadError) as error:
        results.failures[plan] = str(error)
    else:
        results.repeats[plan].append(repeat)


def _count(plan: Plan, cores: Cores, results: Results) -> None:
    try:
        results.syscalls[plan] = measure_syscalls(plan, cores)
    except (ServerError, LoadError) as error:
        results.failures[plan] = f"system calls not counted: {error}"


def _cost(plan: Plan, timing: Timing, cores: Cores, results: Results) -> None:
    try:
        results.silent_costs[plan] = measure_silent_cost(plan, timing, cores)
    except (ServerError, LoadError) as error:
        results.failures[plan] = f"silent connections not measured: {error}"


def _keep(record: Record, output: Path, unfinished: Path, console: Console) -> None:
    """Put the record where it belongs, unless that would lose a better one."""
    if not any(point.repeats for point in record.points):
        unfinished.unlink(missing_ok=True)
        console.print("nothing was measured, and nothing was written")
        return
    if not record.complete and _is_complete(output):
        save_record(record, unfinished)
        console.print(f"{short_path(output)} stays; see {short_path(unfinished)}")
        return
    save_record(record, output)
    unfinished.unlink(missing_ok=True)
    console.print(f"written to {short_path(output)}")


def _is_complete(path: Path) -> bool:
    try:
        return load_record(path).complete
    except RecordError:
        return False


# -- what one sees meanwhile --------------------------------------------------


def announce(
    wanted: Sequence[Plan],
    timing: Timing,
    cores: Cores,
    results: Results,
    console: Console,
) -> None:
    """Say what will be done, how long it takes, and what is left out."""
    console.print(
        f"{len(wanted)} points, {timing.repeats} times {timing.seconds:g} s each: "
        f"about {duration(timing.of_all(wanted))} (Ctrl-C keeps what was finished)"
    )
    console.print(str(cores))
    reasons = dict.fromkeys(reason for reason in results.skipped.values() if reason)
    for reason in reasons:
        left_out = sum(each == reason for each in results.skipped.values())
        console.print(f"{left_out} points are left out: {reason}", style="yellow")
    load = results.record(complete=False).machine.load_average[0]
    if load > BUSY_LOAD:
        console.print(
            f"this machine is busy (load average {load}): expect wide spreads",
            style="yellow",
        )


def duration(seconds: float) -> str:
    """Such as "40 s" or "18 min"."""
    if seconds < 100:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min"


class _TimeLeft(ProgressColumn):
    """How long it still takes, counting down between two runs as well."""

    def render(self, task: Task) -> Text:
        left = max(0.0, task.fields["ends_at"] - time.monotonic())
        return Text(f"{duration(left)} left")


class _Display:
    """A progress bar on a terminal; elsewhere a line for each run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            BarColumn(bar_width=16),
            _TimeLeft(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            # Drawing costs the generator's core: seldom is enough.
            refresh_per_second=2,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> _Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, total_s: float) -> None:
        self._begun = time.monotonic()
        self._total_s = total_s
        self._done_s = 0.0
        self._task = self._progress.add_task(
            "", total=total_s, ends_at=self._begun + total_s
        )

    @contextmanager
    def running(self, what: str, estimate_s: float) -> Iterator[None]:
        if not self._console.is_terminal:
            self._console.print(what)
        self._progress.update(self._task, description=what)
        yield
        self._done_s += estimate_s
        now = time.monotonic()
        pace = (now - self._begun) / self._done_s
        self._progress.update(
            self._task,
            completed=self._done_s,
            ends_at=now + pace * (self._total_s - self._done_s),
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal interrupt once, and no more after that.

    So the servers are stopped in peace, however often somebody presses Ctrl-C.
    """

    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- the command --------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    default = Timing()
    parser = argparse.ArgumentParser(
        prog="python -m lab measure",
        description="Measure everything that the book prints, on this machine.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="TEXT",
        help="only points whose description has one of these, such as step06 or "
        "'silent'; needs --output",
    )
    parser.add_argument("--repeats", type=int, default=default.repeats)
    parser.add_argument("--seconds", type=float, default=default.seconds)
    parser.add_argument("--quick", action="store_true", help="two repeats of a second")
    parser.add_argument(
        "--output", type=Path, help=f"default: {short_path(READER)}, your own record"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the points, and measure nothing"
    )
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or arguments.seconds <= 0:
        parser.error("repeats and seconds must be positive")
    plans = book_plan()
    if arguments.only:
        plans = [p for p in plans if any(text in str(p) for text in arguments.only)]
        if not plans:
            parser.error("no point's description has that; --list prints them all")
    if arguments.list:
        print(*plans, sep="\n")
        return 0
    if arguments.only and not arguments.output:
        parser.error("--only needs --output, for a part must not replace your record")
    timing = Timing(arguments.repeats, arguments.seconds)
    if arguments.quick:
        timing = Timing(repeats=2, seconds=1.0, warmup_s=0.2)
    console = Console(highlight=False, soft_wrap=True)
    if not all(is_step(plan.server) for plan in plans):
        try:
            peers.install()
        except peers.PeersError as error:
            console.print(str(error), style="yellow")
    output = arguments.output or READER
    record = measure(plans, timing, output, console)
    if code := exit_code(record):
        return code
    record_option = "" if output == READER else f" --record {short_path(output)}"
    console.print(f"print it:           python -m lab show{record_option}")
    console.print(f"check the chapters: python -m lab claims{record_option}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
