"""Measure a list of points into a record, so that an interruption costs little.

Each repeat visits all points, in rotated order; at the end, those runs are made again
that other processes disturbed. After every run the record is written to a file beside
the wanted one (``….unfinished.json``), which takes its place at the end. Ctrl-C
keeps what was finished in the same way, with `complete` false; but a part never
replaces a whole.
"""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from types import FrameType

from rich.console import Console

from lab.load.child import allow_connections
from lab.load.target import LoadError
from lab.load.wrk import wrk_version
from lab.measure import c_server, peers
from lab.measure.display import Display, announce
from lab.measure.machine import (
    Cores,
    choose_cores,
    commit,
    describe_machine,
    pinned,
    strace_version,
)
from lab.measure.points import (
    COUNTING_S,
    SILENCE_S,
    Timing,
    measure_once,
    measure_silent_cost,
    measure_syscalls,
    unavailable,
)
from lab.measure.pythons import (
    Pythons,
    PythonsError,
    choose,
    differences,
)
from lab.measure.servers import ServerError
from lab.paths import FREE_THREADED, READER, check_writable, short_path
from lab.record.matrix import Plan, book_plan, gil_plan, is_step, rotated
from lab.record.model import (
    Conduct,
    Interpreter,
    Point,
    Record,
    RecordError,
    Repeat,
    SilentCost,
    load_record,
    save_record,
    set_aside,
)

#: The reader's own run on two Pythons.
PYTHONS = READER.with_name(FREE_THREADED)
#: What runs that others disturbed may take again, as a share of what all take, and how
#: often each is tried.
AGAIN = 0.25
TRIES = 2
#: The most connections of one run: 1000 active clients, or 100 and 900 silent ones.
MOST_CONNECTIONS = 1100
#: Descriptors that a server may need beside its connections.
MORE_DESCRIPTORS = 200


class Results:
    """A record in the making."""

    def __init__(
        self,
        plans: Sequence[Plan],
        cores: Cores,
        pythons: Sequence[Interpreter] = (),
    ) -> None:
        self.skipped = {plan: unavailable(plan) for plan in plans}
        self.failures: dict[Plan, str] = {}
        self.repeats: dict[Plan, list[Repeat]] = {plan: [] for plan in plans}
        #: Runs that others disturbed, which another run has replaced.
        self.set_aside: dict[Plan, list[Repeat]] = {plan: [] for plan in plans}
        self.syscalls: dict[Plan, dict[str, float]] = {}
        self.silent_costs: dict[Plan, SilentCost] = {}
        self.conduct: list[Conduct] = []
        self._pythons = list(pythons)
        self._machine = describe_machine(cores, tools())
        self._created_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self._commit, self._dirty = commit()

    @property
    def load_average(self) -> float:
        """Of the last minute, before anything was measured."""
        return self._machine.load_average[0]

    @property
    def runs(self) -> int:
        """How many timed runs were finished."""
        both = (self.repeats, self.set_aside)
        return sum(len(runs) for each in both for runs in each.values())

    def disturbed(self) -> list[tuple[Plan, int]]:
        """Which repeats of which plans others disturbed, in the order of time."""
        found = [
            (repeat.position_in_run, plan, number)
            for plan, repeats in self.repeats.items()
            for number, repeat in enumerate(repeats)
            if repeat.is_disturbed
        ]
        return [(plan, number) for _, plan, number in sorted(found, key=itemgetter(0))]

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
            pythons=self._pythons,
            contestants=[
                c_server.contestant(name)
                if c_server.is_c_server(name)
                else peers.contestant(name)
                for name in dict.fromkeys(
                    [
                        *(plan.server for plan in self.repeats),
                        *(each.server for each in self.conduct),
                    ]
                )
                if not is_step(name)
            ],
            conduct=self.conduct,
        )

    def _point(self, plan: Plan) -> Point:
        repeats = self.repeats[plan]
        reason = self.skipped[plan] or self.failures.get(plan)
        return plan.point().model_copy(
            update={
                "repeats": repeats,
                "set_aside": self.set_aside[plan],
                "syscalls_per_request": self.syscalls.get(plan),
                "silent_cost": self.silent_costs.get(plan),
                "skipped": None if repeats else reason,
            }
        )


#: One timed run; tests put another in the place of `measure_once`.
Runner = Callable[[Plan, Timing, Cores, int], Repeat]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What is watched when all is measured, and about how long that takes."""

    seconds: float
    watch: Callable[[Cores], list[Conduct]]


def measure(
    plans: Sequence[Plan],
    timing: Timing,
    output: Path,
    console: Console,
    run_once: Runner = measure_once,
    behaviour: Behaviour | None = None,
    cores: Cores | None = None,
    pythons: Sequence[Interpreter] = (),
) -> Record:
    """Measure all plans into `output`; an interruption returns what was finished.

    cores: None: the best that there are. pythons: those of the plans that say which.

    The record's `complete` says which of the two it was. `exit_code` makes an exit
    code of the record. Raises OSError where it cannot be written, before it measures;
    if the disk fills later, what was written until then is left.
    """
    check_writable(output)
    most = max((plan.connections + plan.silent for plan in plans), default=0)
    raise_descriptor_limit(most + MORE_DESCRIPTORS)
    cores = cores or choose_cores()
    results = Results(plans, cores, pythons)
    wanted = [plan for plan in plans if results.skipped[plan] is None]
    unfinished = output.with_suffix(".unfinished.json")
    skipped = [reason for reason in results.skipped.values() if reason]
    more_s = behaviour.seconds if behaviour else 0.0
    announce(wanted, timing, cores, skipped, results.load_average, console, more_s)
    complete = False
    try:
        with _interruptible(), pinned(cores.generator), Display(console) as display:
            display.begin(timing.of_all(wanted) + more_s)
            for repeat in range(timing.repeats):
                for plan in rotated(wanted, repeat, timing.repeats):
                    what = f"{plan}, repeat {repeat + 1} of {timing.repeats}"
                    with display.running(what, timing.of_run(plan)):
                        _run(plan, timing, cores, results, run_once)
                    save_record(results.record(complete=False), unfinished)
            _measure_again(timing, wanted, cores, results, run_once, display)
            save_record(results.record(complete=False), unfinished)
            if strace_version() is not None:
                for plan in wanted:
                    if plan.syscalls:
                        what = f"{plan}, system calls"
                        with display.running(what, COUNTING_S):
                            _count(plan, cores, results)
            for plan in wanted:
                if plan.silent_cost:
                    what = f"{plan}, memory and CPU"
                    with display.running(what, SILENCE_S + plan.more_s):
                        _cost(plan, timing, cores, results)
            if behaviour is not None:
                with display.running("conduct of all servers", more_s):
                    _watch(behaviour, cores, results, console)
        complete = True
    except KeyboardInterrupt:
        pass
    except SystemExit:
        # The reader of a pipe has gone (`| head`): this is how rich says so, and it
        # prints nothing any more.
        pass
    except OSError as error:
        # The terminal was closed.
        if error.errno not in (errno.EIO, errno.EPIPE):
            if unfinished.exists():
                console.print(f"see {short_path(unfinished)} for what was finished")
            raise
    record = results.record(complete=complete)
    kept = _keep(record, output, unfinished)  # before anything else can fail
    if not complete:
        console.print(
            f"interrupted: {results.runs} of {sum(map(timing.repeats_of, wanted))} "
            "runs were finished"
        )
    for reason in dict.fromkeys(results.failures.values()):
        failed = [str(p) for p, why in results.failures.items() if why == reason]
        console.print(f"{'; '.join(failed)}: {reason}", style="yellow")
    console.print(kept)
    return record


def raise_descriptor_limit(connections: int) -> None:
    """Let this process and its children open what a run needs.

    Where the system refuses, the points that need it will fail and say so.
    """
    with suppress(LoadError):
        allow_connections(max(connections, MOST_CONNECTIONS))


def tools() -> dict[str, str]:
    """Versions of the tools that a measurement uses, of those that are installed."""
    versions = {"wrk": wrk_version(), "strace": strace_version()}
    return {name: version for name, version in versions.items() if version}


def exit_code(record: Record) -> int:
    """0: measured; 130: interrupted, as by a shell's convention; 1: nothing came."""
    if not record.complete:
        return 130
    return 0 if _has_anything(record) else 1


def _has_anything(record: Record) -> bool:
    return bool(record.conduct) or any(point.repeats for point in record.points)


def _run(
    plan: Plan, timing: Timing, cores: Cores, results: Results, run_once: Runner
) -> None:
    try:
        repeat = run_once(plan, timing, cores, results.runs)
    except (ServerError, LoadError) as error:
        results.failures[plan] = str(error)
    else:
        results.repeats[plan].append(repeat)


def _measure_again(
    timing: Timing,
    wanted: Sequence[Plan],
    cores: Cores,
    results: Results,
    run_once: Runner,
    display: Display,
) -> None:
    """Another run in the place of each that others disturbed, whatever it measured.

    As long as there is time, for on a busy machine it has no end. A run that fails
    leaves the disturbed one where it is.
    """
    left_s = AGAIN * sum(timing.repeats_of(p) * timing.of_run(p) for p in wanted)
    for _ in range(TRIES):
        for plan, number in results.disturbed():
            left_s -= timing.of_run(plan)
            if left_s < 0:
                return
            display.more(timing.of_run(plan))
            what = f"{plan}, repeat {number + 1} again: others were at work"
            with display.running(what, timing.of_run(plan)):
                _replace(plan, number, timing, cores, results, run_once)


def _replace(
    plan: Plan,
    number: int,
    timing: Timing,
    cores: Cores,
    results: Results,
    run_once: Runner,
) -> None:
    with suppress(ServerError, LoadError):
        again = run_once(plan, timing, cores, results.runs)
        results.set_aside[plan].append(results.repeats[plan][number])
        results.repeats[plan][number] = again


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


def _watch(
    behaviour: Behaviour, cores: Cores, results: Results, console: Console
) -> None:
    try:
        results.conduct = behaviour.watch(cores)
    except (ServerError, OSError) as error:
        console.print(f"conduct not watched: {error}", style="yellow")


def _keep(record: Record, output: Path, unfinished: Path) -> str:
    """Put the record where it belongs, unless that would lose a better one. Returns
    what was done, in words."""
    if not _has_anything(record):
        unfinished.unlink(missing_ok=True)
        return "nothing was measured, and nothing was written"
    kept = ""
    try:
        if load_record(output).complete and not record.complete:
            save_record(record, unfinished)
            return f"{short_path(output)} stays; see {short_path(unfinished)}"
    except RecordError:
        # There is none, or another version of the project has written it.
        if output.exists():
            aside = set_aside(output)
            kept = f"; what was there, and this cannot read, is {short_path(aside)} now"
    save_record(record, output)
    unfinished.unlink(missing_ok=True)
    return f"written to {short_path(output)}{kept}"


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
    parser.add_argument(
        "--python",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="measure the steps on two Pythons in turn, one with the global "
        "interpreter lock and one without (where only one is named, the other is the "
        f"Python of this command); default output: {short_path(PYTHONS)}",
    )
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or arguments.seconds <= 0:
        parser.error("repeats and seconds must be positive")
    plans = book_plan()
    pythons: Pythons = {}
    about: list[Interpreter] = []
    if arguments.python:
        if len(arguments.python) == 1:
            arguments.python.append(sys.executable)
        try:
            pythons, about = choose(arguments.python)
        except PythonsError as error:
            parser.error(str(error))
        plans = gil_plan("wrk" if wrk_version() else "lab")
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
    output = arguments.output or (PYTHONS if pythons else READER)
    check_writable(output)
    for difference in differences(about) if about else ():
        console.print(f"the two Pythons differ in {difference}", style="yellow")
    if not all(is_step(plan.server) for plan in plans):
        try:
            peers.install()
        except peers.PeersError as error:
            console.print(str(error), style="yellow")
    record = measure(
        plans,
        timing,
        output,
        console,
        partial(measure_once, pythons=pythons),
        # Threads that could run side by side need more than one core.
        cores=Cores() if pythons else None,
        pythons=about,
    )
    if code := exit_code(record):
        return code
    beside = output in (READER, PYTHONS)
    record_option = "" if beside else f" --record {short_path(output)}"
    console.print(f"print it:           python -m lab show{record_option}")
    console.print(f"check the chapters: python -m lab claims{record_option}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
