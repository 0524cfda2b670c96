"""`python -m lab batching`: what it does to a client that answers are sent together.

Step 12 is started twice, the same but for one constant: after how many answers it sends
them. After each, as step 11 does; or at the end of a round, as it does by itself. The
two take turns, so that what else the machine does falls on both.

Beside the throughput stands how often the load generator went to sleep, for each
request: so often a `send()` of the server had to wake it. The kernel counts that.

`python -m lab.measure.batching 1` is such a server, and is no step.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
from collections.abc import Sequence

from lab.load.run import LoadSpec, run_load
from lab.load.target import LoadError
from lab.measure.machine import Cores, choose_cores
from lab.measure.servers import ServerCommand, ServerError, running
from steps.command import main as serve
from steps.step12 import server
from steps.step12.settings import Settings

CONNECTIONS = 100
WAYS = {"each answer by itself": 1, "a round's together": server.MAX_BATCH}


def measure(batch: int, seconds: float, cores: Cores) -> tuple[float, float]:
    """Requests a second, and how often the generator slept for each."""
    flags = ("--workers", "0", "--port", "0")
    argv = (sys.executable, "-m", "lab.measure.batching", str(batch), *flags)
    with running(ServerCommand("step12", argv), cores=cores.server) as found:
        spec = LoadSpec(
            "127.0.0.1", found.port, CONNECTIONS, seconds, cpus=cores.generator or None
        )
        # The server is a child of this process, too, but has not been waited for yet.
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw
        result = run_load(spec)
        slept = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw - before
    if not result.requests:
        raise LoadError("no request was answered in that time")
    return result.throughput_rps, slept / result.requests


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab batching",
        description="Step 12 with its answers sent one by one, and together.",
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args(argv)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("rounds and seconds must be positive")
    cores = choose_cores()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    try:
        for _ in range(options.rounds):
            for way, batch in WAYS.items():
                found[way].append(measure(batch, options.seconds, cores))
    except (LoadError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    for way, both in found.items():
        rates = [rate for rate, _ in both]
        slept = statistics.median(slept for _, slept in both)
        print(
            f"{way}: {statistics.median(rates):,.0f} requests/s "
            f"({min(rates):,.0f} to {max(rates):,.0f})\n"
            f"    the generator slept {slept:.3f} times a request"
        )
    return 0


if __name__ == "__main__":
    server.MAX_BATCH = int(sys.argv.pop(1))
    serve("step12", server.Server, Settings, least_workers=0)
