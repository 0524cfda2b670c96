"""`python -m lab tough PROOF…`: long runs that try to break the server of step 12.

Each is bounded in number and time, ends by itself, and puts what it saw into a record,
yours or with --output the book's (lab/tough/record.py). The suite runs the same
functions, for a second each.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lab.measure.machine import commit
from lab.paths import READER, TOUGHNESS, check_writable, short_path
from lab.record.model import RecordError
from lab.record.quantity import duration
from lab.tough.drain import drain, kill
from lab.tough.fuzzing import fuzz, fuzz_parser
from lab.tough.overload import LIMIT, descriptors
from lab.tough.record import Seen, in_words, load, save
from lab.tough.reloading import reload, restart
from lab.tough.slow import ARRIVALS_PER_S, LATE_S, MODES, slow, slowhttptest
from lab.tough.soak import soak
from lab.tough.subject import Result
from tools import optional

OUTPUT = READER.with_name(TOUGHNESS.name)

# --- What can be proved ---------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    run: Callable[..., Result]
    does: str  # with {count} and {seconds}
    count: int
    seconds: float
    #: How long it takes, in seconds, for a count and seconds.
    takes_s: Callable[[int, float], float]
    tool: str = ""  # that it needs

    def why_not(self) -> str:
        """Why it cannot run here; "" if it can."""
        if self.tool and optional.find(self.tool) is None:
            return f"{self.tool} is not here: {optional.how_to_get([self.tool])}"
        return ""


def _slowly(count: int, seconds: float) -> float:
    return len(MODES) * (seconds + LATE_S + 2 * count / ARRIVALS_PER_S)


# In the order of their length.
PROOFS = {
    "kill": Proof(
        kill,
        "one of step 14's processes killed under load, {count} times",
        *(10, 0.5, lambda count, seconds: 2 * count * seconds),
    ),
    "descriptors": Proof(
        descriptors,
        f"{{count}} clients for {{seconds}} s, and {LIMIT} descriptors",
        *(200, 10, lambda count, seconds: seconds + 1),
    ),
    "fuzz-parser": Proof(
        fuzz_parser,
        "{count} mutated requests through the parser",
        *(1_000_000, 600, lambda count, seconds: min(count / 50_000, seconds)),
    ),
    "reload": Proof(
        reload,
        "step 14 reloaded again and again for {seconds} s, while {count} clients come "
        "anew for each request",
        *(200, 30, lambda count, seconds: seconds + 1),
    ),
    "restart": Proof(
        restart,
        "three servers behind HAProxy, ended and started again in turn for {seconds} s "
        "under {count} clients",
        *(50, 30, lambda count, seconds: seconds + 2),
        tool="haproxy",
    ),
    "fuzz": Proof(
        fuzz,
        "{count} mutated requests to a live server",
        *(100_000, 600, lambda count, seconds: min(count / 3000, seconds)),
    ),
    "slow": Proof(
        slow,
        "{count} clients that say nothing, trickle heads or bodies, or read a byte a "
        "second; deadlines of {seconds} s",
        *(1000, 3, _slowly),
    ),
    "slowhttptest": Proof(
        slowhttptest,
        "{count} clients of slowhttptest, in its four modes; deadlines of {seconds} s",
        *(1000, 3, _slowly),
        tool="slowhttptest",
    ),
    "drain": Proof(
        drain,
        "SIGTERM under load, {count} times",
        *(50, 0.3, lambda count, seconds: count * (seconds + 0.5)),
    ),
    "soak": Proof(
        soak,
        "{count} clients of all kinds at a time, for {seconds} s",
        *(24, 600, lambda count, seconds: seconds + 2),
    ),
}


# --- The command ----------------------------------------------------------------------


def run(name: str, count: int, seconds: float, console: Console) -> Seen:
    proof = PROOFS[name]
    did = proof.does.format(count=in_words(count), seconds=in_words(seconds))
    began, begin = datetime.now(UTC), time.monotonic()
    columns = (BarColumn(16), TimeElapsedColumn(), TextColumn("{task.description}"))
    hidden = not console.is_terminal or console.is_dumb_terminal
    if hidden:
        console.print(f"{name}: {did} …")
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(f"{name}: {did}", total=1)
        result = proof.run(
            count, seconds, lambda share: bar.update(task, completed=share)
        )
    head, changed = commit()
    return Seen(
        did=did,
        facts=result.facts,
        complaints=result.complaints,
        seconds=round(time.monotonic() - begin, 1),
        date=began.isoformat(timespec="seconds"),
        commit=f"{head}{'+' * changed}" if head else "not known",
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        cores=os.cpu_count() or 1,
    )


def show(name: str, seen: Seen, console: Console) -> None:
    style = "green" if seen.holds else "red"
    console.print(f"[{style}]{seen.verdict}[/] [bold]{name}[/]: {seen.did}")
    console.print(f"  {seen.said}", markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    names = "\n".join(f"  {name:12}  {each.does}" for name, each in PROOFS.items())
    defaults = "count and seconds are of the same kind as in the list above"
    parser = argparse.ArgumentParser(
        prog="python -m lab tough",
        description=f"Try to break the server of step 12.\n\n  all\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proofs", nargs="*", metavar="PROOF")
    parser.add_argument("--count", type=int, help=defaults)
    parser.add_argument("--seconds", type=float, help="likewise")
    parser.add_argument(
        "--output",
        type=Path,
        default=OUTPUT,
        help=f"default: {short_path(OUTPUT)}, your own record",
    )
    parser.add_argument("--show", action="store_true", help="print it, and run nothing")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.proofs) - {*PROOFS, "all"}:
        parser.error(f"there is no proof {', '.join(sorted(unknown))}")
    console = Console(highlight=False, soft_wrap=True)
    try:
        # While there is none of your own, the book's is shown.
        is_none = arguments.output == OUTPUT and not OUTPUT.exists()
        record = load(TOUGHNESS if is_none else arguments.output)
    except RecordError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.show or not arguments.proofs:
        for name, seen in record.proofs.items():
            show(name, seen, console)
        return 0 if record.proofs else parser.error("there is no record: name a proof")

    check_writable(arguments.output)
    wanted = list(PROOFS) if "all" in arguments.proofs else arguments.proofs
    bounds = {
        name: (
            arguments.count or PROOFS[name].count,
            arguments.seconds or PROOFS[name].seconds,
        )
        for name in wanted
    }
    for name in [name for name in wanted if PROOFS[name].why_not()]:
        console.print(f"{name} is left out: {PROOFS[name].why_not()}", style="yellow")
        del bounds[name]
    total_s = sum(PROOFS[name].takes_s(*bound) for name, bound in bounds.items())
    console.print(
        f"{', '.join(bounds)}: about {duration(total_s)} "
        "(Ctrl-C keeps what was finished)"
    )
    broken = 0
    for name, bound in bounds.items():
        seen = run(name, *bound, console)
        save(name, seen, arguments.output)  # whoever would read of it may be gone
        show(name, seen, console)
        broken += not seen.holds
    if bounds:
        console.print(f"written to {short_path(arguments.output)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
