"""System calls a request, counted by strace: `python -m lab syscalls step06 step07`.

`futex`, by which threads wait for one another, is not counted: see `servers.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from lab.load.target import LoadError
from lab.measure.machine import choose_cores, strace_version
from lab.measure.points import measure_syscalls
from lab.measure.servers import ServerError
from lab.record.matrix import STEPS, Plan, own_mode
from tools import optional

#: Calls that are rarer than this have nothing to do with a single request.
LEAST = 0.005


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Calls down, the most frequent first; servers across; the sum below."""
    names = {name for counts in found.values() for name in counts}
    most = {name: max(c.get(name, 0.0) for c in found.values()) for name in names}
    rows = [("calls a request", list(found))]
    for name in sorted(names, key=lambda name: (-most[name], name)):
        if most[name] >= LEAST:
            rows.append((name, [f"{c.get(name, 0.0):.2f}" for c in found.values()]))
    rows.append(
        ("all but futex", [f"{sum(counts.values()):.2f}" for counts in found.values()])
    )
    return "\n".join(f"{name:18}" + "".join(f"{v:>9}" for v in vs) for name, vs in rows)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab syscalls",
        description="Count the system calls that a step makes for a request.",
    )
    parser.add_argument("steps", nargs="+", choices=STEPS, metavar="STEP")
    parser.add_argument("--connections", type=int, default=100, metavar="N")
    options = parser.parse_args(argv)
    if strace_version() is None:
        print(optional.how_to_get(["strace"]), file=sys.stderr)
        return 1
    cores = choose_cores()
    try:
        found = {
            step: measure_syscalls(
                Plan(step, options.connections, own_mode(step)), cores
            )
            for step in options.steps
        }
    except (LoadError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
