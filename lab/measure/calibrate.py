"""Do the embedded generator and wrk find the same speed?

`python -m lab calibrate` loads steps 01, 02 and 06 with both, in turn, and prints the
ratio of the medians. Where the server is the limit it should lie between 0.9 and 1.1.
A run in which a generator may have been the limit says nothing of that, and is marked.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lab.load.run import LoadResult, LoadSpec, run_load
from lab.load.target import LoadError
from lab.load.wrk import run_wrk, wrk_version
from lab.measure.machine import choose_cores
from lab.measure.servers import ServerError, running, step_command

GENERATORS = {"wrk": run_wrk, "lab": run_load}
WARMUP_S = 0.5


@dataclass(frozen=True)
class Case:
    """What both generators do."""

    step: str
    keep_alive: bool
    connections: int

    def __str__(self) -> str:
        mode = "keep-alive" if self.keep_alive else "close"
        return f"{self.step} {mode:10} {self.connections:4}"


#: Servers slower than 20 000 requests a second.
CASES = (
    Case("step01", keep_alive=False, connections=100),
    Case("step02", keep_alive=False, connections=10),
    Case("step02", keep_alive=False, connections=100),
    Case("step06", keep_alive=True, connections=100),
    Case("step06", keep_alive=True, connections=1000),
)


def measure(case: Case, generator: str, seconds: float) -> LoadResult:
    """One run against a fresh server; the result knows how busy the server was."""
    cores = choose_cores()
    samples: list[tuple[float, float]] = []
    with running(step_command(case.step), cores=cores.server) as server:
        spec = LoadSpec(
            "127.0.0.1",
            server.port,
            connections=case.connections,
            seconds=seconds,
            warmup_s=WARMUP_S,
            keep_alive=case.keep_alive,
            cpus=cores.generator or None,
        )
        result = GENERATORS[generator](
            spec, lambda _: samples.append((time.monotonic(), server.sample().cpu_s))
        )
    (start_s, before_s), (end_s, after_s) = samples
    return result.judged((after_s - before_s) / (end_s - start_s))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 if every ratio that says something is within the tolerance."""
    parser = argparse.ArgumentParser(
        prog="python -m lab calibrate",
        description="Compare the embedded load generator with wrk.",
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument(
        "--tolerance", type=float, default=0.1, help="of the ratio; default: 0.1"
    )
    options = parser.parse_args(argv)
    if wrk_version() is None:
        print("wrk is not installed (Debian: apt install wrk)", file=sys.stderr)
        return 1
    runs = len(CASES) * options.repeats
    took_s = runs * (2 * options.seconds + 4)
    print(f"{runs} runs with each generator: about {took_s / 60:.0f} minutes")
    print(
        f"{'':22}{'wrk':>8}{'lab':>8}{'lab/wrk':>9}   requests/s, medians", flush=True
    )
    fine = True
    try:
        for case in CASES:
            fine &= _compare(case, options.repeats, options.seconds, options.tolerance)
    except (LoadError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if fine else 1


def _compare(case: Case, repeats: int, seconds: float, tolerance: float) -> bool:
    """Measure a case, print its line; False if the two differ and should not."""
    results: dict[str, list[LoadResult]] = {name: [] for name in GENERATORS}
    for number in range(repeats):
        # Alternated, so that neither has the better minutes of the machine.
        for name in sorted(GENERATORS, reverse=number % 2 == 0):
            results[name].append(measure(case, name, seconds))
    medians = {
        name: statistics.median(result.throughput_rps for result in each)
        for name, each in results.items()
    }
    ratio = medians["lab"] / medians["wrk"]
    bound = [
        name
        for name, each in results.items()
        if sum(result.generator_bound for result in each) * 2 > repeats
    ]
    agree = abs(ratio - 1) <= tolerance
    remark = "" if agree else "they differ"
    if bound:
        remark = f"{' and '.join(bound)} may have been the limit"
    wrk, lab = (f"{medians[name]:8,.0f}" for name in ("wrk", "lab"))
    print(f"{case!s:22}{wrk}{lab}{ratio:9.2f}   {remark}".rstrip(), flush=True)
    return agree or bool(bound)


if __name__ == "__main__":
    sys.exit(main())
