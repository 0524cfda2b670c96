"""Every step for a few seconds: what `make` runs first.

It writes the reader's own record, which the book then prints beside its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab.measure.points import Timing
from lab.measure.run import exit_code, measure
from lab.paths import READER, short_path
from lab.record.matrix import STEPS, tour_plan
from lab.record.model import RecordError, load_record, set_aside
from lab.record.show import print_tables, step_table

#: The servers of the question. What became of them the book tells in chapter 07, and
#: whoever has just typed `make` has not read it.
SHOWN = STEPS[: STEPS.index("step06") + 1]
TIMING = Timing(repeats=3, seconds=0.8, warmup_s=0.15)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab tour",
        description="Measure every step on this machine, for about three and a half "
        f"minutes, into {short_path(READER)}. What is there is kept.",
    )
    parser.add_argument("--again", action="store_true", help="measure anew")
    arguments = parser.parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    if not arguments.again and (kept := _kept(READER)):
        console.print(f"{kept}; `make tour` measures again")
        return 0
    record = measure(tour_plan(), TIMING, READER, console)
    if any(point.repeats for point in record.points):
        print_tables(record, [step_table(record, SHOWN)], console)
        console.print("steps 07 to 15 are measured, too: the book shows them in turn")
    if code := exit_code(record):
        return code
    console.print("python -m lab claims 03: does what chapter 03 says hold here?")
    return 0


def _kept(path: Path) -> str | None:
    """What to say about a record that can be kept; None: there is none."""
    if not path.exists():
        return None
    try:
        record = load_record(path)
    except RecordError as error:
        aside = set_aside(path)
        print(
            f"{error}; measuring again, and it is kept as {short_path(aside)}",
            file=sys.stderr,
        )
        return None
    state = "" if record.complete else ", of an unfinished run"
    return f"{short_path(path)} has figures from {record.created_utc[:10]}{state}"


if __name__ == "__main__":
    sys.exit(main())
