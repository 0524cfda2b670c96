"""The question's server in C beside what the book says of it in Python.

It closes after each response; it keeps connections, and writes head and body apart; it
keeps them, and writes both at once. One, a hundred and a thousand clients ask, through
wrk if it is installed. The server counts how often its mutex was found taken, and how
long that was waited for. It may use every core, for only then can two of its threads
want the mutex at the same moment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab.load.wrk import wrk_version
from lab.measure.points import Timing
from lab.measure.run import exit_code, measure
from lab.paths import IN_C, READER, short_path
from lab.record.matrix import Plan
from lab.record.model import Generator
from lab.record.names import C_SERVER
from lab.record.show import print_tables, tables

OUTPUT = READER.with_name(IN_C)
TIMING = Timing(repeats=3)
CONNECTIONS = (1, 100, 1000)


def in_c_plan(generator: Generator) -> list[Plan]:
    """Every point that is measured."""
    plans = [
        plan
        for n in CONNECTIONS
        for plan in (
            Plan(f"{C_SERVER} --close", n, "close", generator=generator),
            Plan(C_SERVER, n, generator=generator),
            # Also by the embedded generator: it counts a step's requests exactly.
            Plan(C_SERVER, n),
            Plan(f"{C_SERVER} --one-write", n, generator=generator),
        )
    ]
    return list(dict.fromkeys(plans))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab in-c",
        description="Measure the question's server in C: with two writes, with one, "
        "and closing.",
    )
    parser.add_argument("--repeats", type=int, default=TIMING.repeats)
    parser.add_argument("--seconds", type=float, default=TIMING.seconds)
    parser.add_argument(
        "--output", type=Path, help=f"default: {short_path(OUTPUT)}, your own record"
    )
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or arguments.seconds <= 0:
        parser.error("repeats and seconds must be positive")
    console = Console(highlight=False, soft_wrap=True)
    record = measure(
        in_c_plan("wrk" if wrk_version() else "lab"),
        Timing(arguments.repeats, arguments.seconds),
        arguments.output or OUTPUT,
        console,
    )
    # Beside nobody else: there is no comparison to print.
    alone = record.model_copy(update={"contestants": []})
    print_tables(alone, tables(alone), console)
    return exit_code(record)


if __name__ == "__main__":
    sys.exit(main())
