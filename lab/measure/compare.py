"""Step 13 beside servers that people use: the same work, in one run.

Each is one process on one core, keeps connections alive, writes no access log, and
answers every request with the same 70 bytes. The clients ask as plainly as they can,
and as a browser does; one of them, a hundred, a thousand, ten thousand; and a hundred
beside ten thousand that say nothing. Then step 14 with two processes beside one, where
each request computes for a millisecond. Last comes what they do beside being quick,
with the limits that each of them comes with: `lab/measure/conduct.py`.

wrk asks if it is installed, else the embedded generator. A server that cannot do one of
these is told with its reason, and the others go on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from lab.load.wrk import wrk_version
from lab.measure import conduct, peers
from lab.measure.machine import choose_cores
from lab.measure.points import Timing
from lab.measure.run import Behaviour, exit_code, measure
from lab.paths import COMPARISON, READER, check_writable, short_path
from lab.record.matrix import MEMORY_MANNERS, Plan
from lab.record.model import Generator
from lab.record.names import IN_THE_LOOP
from lab.record.show import print_tables, tables
from lab.record.versus import ACTIVE, IN_C, MANY, SILENT, SPIN

OUTPUT = READER.with_name(COMPARISON)
TIMING = Timing(repeats=3)


def compare_plan(generator: Generator) -> list[Plan]:
    """Every point of the comparison."""
    plans: list[Plan] = []
    for peer in (*peers.OURS, *peers.PEERS):
        plans += [Plan(peer.name, n) for n in MANY]
        plans.append(Plan(peer.name, ACTIVE, headers="browser"))
        for manner, repeats in MEMORY_MANNERS:
            silent = Plan(
                peer.name,
                ACTIVE,
                silent=SILENT,
                manner=manner,
                silent_cost=True,
                repeats=repeats,
            )
            if peer.accepting_s:
                silent = replace(silent, repeats=1, more_s=peer.accepting_s)
            plans.append(silent)
    plans += [Plan(IN_THE_LOOP, n, "close") for n in MANY]
    plans.append(Plan(IN_C, 1, "close"))
    for peer in peers.BY_PROCESSES:
        plans += [Plan(peer.name, ACTIVE, path=path) for path in ("/", SPIN)]
    # Without wrk, some are the same.
    measured = {
        replace(each, syscalls=False): each
        for plan in plans
        for each in reversed(_by(generator, plan))
    }
    return list(measured.values())


def _by(generator: Generator, plan: Plan) -> list[Plan]:
    """The plan as it is measured, and by whom."""
    by_own = replace(plan, generator="lab")
    by_wrk = replace(plan, generator=generator)
    if plan.mode == "close" or plan.silent or plan.headers != "plain":
        return [by_wrk]
    if peers.CONTESTANTS[plan.server].cores > 1:
        return [by_wrk]
    if plan.connections == max(MANY):
        # wrk counts the time in which it opens them; the embedded generator does not.
        # But it cannot close so many: to compare both, what closes is kept by wrk too.
        return [by_own, by_wrk] if plan.server == IN_THE_LOOP else [by_own]
    if plan.connections == ACTIVE:
        # By the embedded generator too, to be compared with ten thousand.
        return [replace(by_wrk, syscalls=True), by_own]
    return [by_wrk]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab compare",
        description="Measure step 13 beside "
        + ", ".join(dict.fromkeys(p for peer in peers.PEERS for p in peer.packages))
        + f"; they are installed into {peers.ENVIRONMENT.name} if need be.",
    )
    parser.add_argument("--repeats", type=int, default=TIMING.repeats)
    parser.add_argument("--seconds", type=float, default=TIMING.seconds)
    parser.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        default=conduct.WATCH_S,
        help="how long slow clients are watched (default: %(default)g)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="TEXT",
        help="only points whose description has one of these, such as granian or "
        "'silent'; needs --output",
    )
    parser.add_argument(
        "--list", action="store_true", help="print the points, and measure nothing"
    )
    parser.add_argument(
        "--output", type=Path, help=f"default: {short_path(OUTPUT)}, your own record"
    )
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or min(arguments.seconds, arguments.watch) <= 0:
        parser.error("repeats and seconds must be positive")
    plans = compare_plan("wrk" if wrk_version() else "lab")
    watched = [(name, f"{name}, conduct") for name in conduct.contestants()]
    if arguments.only:
        plans = [p for p in plans if any(text in str(p) for text in arguments.only)]
        watched = [w for w in watched if any(text in w[1] for text in arguments.only)]
        if not plans and not watched:
            parser.error("no point's description has that; --list prints them all")
    if arguments.list:
        print(*plans, *(what for _, what in watched), sep="\n")
        return 0
    if arguments.only and not arguments.output:
        parser.error("--only needs --output, for a part must not replace your record")
    console = Console(highlight=False, soft_wrap=True)
    output = arguments.output or OUTPUT
    check_writable(output)
    try:
        peers.install()
    except peers.PeersError as error:
        print(error, file=sys.stderr)
        return 1
    if len(choose_cores().server) == 0:
        console.print(
            "server and generator share their cores here: ratios of quick servers are "
            "nearer to 1 than they are",
            style="yellow",
        )
    timing = Timing(arguments.repeats, arguments.seconds)
    behaviour = Behaviour(
        conduct.OTHERWISE_S + arguments.watch,
        partial(
            conduct.measure_conduct,
            [name for name, _ in watched],
            watch_s=arguments.watch,
        ),
    )
    record = measure(
        plans,
        timing,
        output,
        console,
        behaviour=behaviour if watched else None,
    )
    print_tables(record, tables(record), console)
    return exit_code(record)


if __name__ == "__main__":
    sys.exit(main())
