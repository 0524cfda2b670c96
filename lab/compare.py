"""Step 08 beside servers that people use: the same work, in one run.

Each is one process on one core, keeps connections alive, writes no access log, and
answers a hundred clients with the same 70 bytes. The clients ask as plainly as they
can, and as a browser does. wrk asks if it is installed, else the embedded generator.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab import peers
from lab.matrix import peer_plan
from lab.measure import Timing, exit_code, measure
from lab.record import ROOT, short_path
from lab.show import print_tables, tables
from lab.wrk import wrk_version

OUTPUT = ROOT / "measurements" / "compare.json"


def main(argv: Sequence[str] | None = None) -> int:
    default = Timing()
    parser = argparse.ArgumentParser(
        prog="python -m lab compare",
        description="Measure step 08 beside "
        + ", ".join(peer.title for peer in peers.PEERS)
        + f"; they are installed into {peers.ENVIRONMENT.name} if need be.",
    )
    parser.add_argument("--repeats", type=int, default=default.repeats)
    parser.add_argument("--seconds", type=float, default=default.seconds)
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, help=f"default: {short_path(OUTPUT)}"
    )
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1 or arguments.seconds <= 0:
        parser.error("repeats and seconds must be positive")
    console = Console(highlight=False, soft_wrap=True)
    try:
        peers.install()
    except peers.PeersError as error:
        print(error, file=sys.stderr)
        return 1
    plans = peer_plan("wrk" if wrk_version() else "lab")
    timing = Timing(arguments.repeats, arguments.seconds)
    record = measure(plans, timing, arguments.output, console)
    print_tables(record, tables(record), console)
    return exit_code(record)


if __name__ == "__main__":
    sys.exit(main())
