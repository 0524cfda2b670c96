"""`python -m lab closer`: what chapters 05 and 07 look at more closely.

Chapter 05: step 05 so many times that one sees what it settles on, with clients that
begin at once and with the same ones spread over a few hundredths of a second. Chapter
07: each half of the cure alone, neither and both, in one run; and what step 07 loses
where the kernel may move its threads from core to core.

The result is a record like any other (`lab/record/model.py`, `python -m lab schema`),
and stands beside the one that `tour` or `measure` has written: `Measurement.closer`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lab.load.wrk import wrk_version
from lab.measure.points import Timing
from lab.measure.run import exit_code, measure
from lab.paths import CLOSER, READER, short_path
from lab.record.matrix import Plan, closer_plan
from lab.record.show import print_tables, tables

OUTPUT = READER.with_name(CLOSER)
#: Those that are measured less often say so themselves.
TIMING = Timing(repeats=20, seconds=2.0, warmup_s=0.5)


def plans_here() -> list[Plan]:
    """With the embedded generator, and with wrk where there is one."""
    with_wrk = wrk_version() is not None
    return [plan for plan in closer_plan() if with_wrk or plan.generator == "lab"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab closer",
        description="Measure step 05 many times, both halves of step 07's cure, and "
        "step 07 on all cores: for chapters 05 and 07.",
    )
    parser.add_argument("--repeats", type=int, default=TIMING.repeats)
    parser.add_argument("--seconds", type=float, default=TIMING.seconds)
    parser.add_argument(
        "--output", type=Path, help=f"default: {short_path(OUTPUT)}, your own record"
    )
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or arguments.seconds <= 0:
        parser.error("repeats and seconds must be positive")
    timing = replace(TIMING, repeats=arguments.repeats, seconds=arguments.seconds)
    console = Console(highlight=False, soft_wrap=True)
    record = measure(plans_here(), timing, arguments.output or OUTPUT, console)
    print_tables(record, tables(record), console)
    return exit_code(record)


if __name__ == "__main__":
    sys.exit(main())
