"""Records with invented figures, to see how the book prints them. Never committed."""

import random
from collections.abc import Iterable

from lab.matrix import Plan, book_plan, tour_plan
from lab.record import LatencyMs, Machine, Point, Record, Repeat

#: Requests a second with 100 connections, as a rough shape.
_RATES = {
    "step01": 5000, "step02": 18000, "step03": 1000, "step04": 2200, "step05": 1000,
    "step06": 2280, "step07": 72000, "step08": 73000,
}  # fmt: skip
#: Servers that wait and do not work: the rate follows the connections.
_WAITING = {"step03": 100.0, "step04": 44.0, "step05": 100.0, "step06": 44.0}


def record(
    plans: Iterable[Plan], *, scale: float = 1.0, repeats: int = 5, seed: int = 1
) -> Record:
    """Every planned point, with figures scaled by `scale`."""
    chance = random.Random(seed)
    return Record(
        created_utc="2030-01-02T03:04:05Z",
        commit="0123456789abcdef",
        dirty=False,
        complete=True,
        machine=Machine(
            system="Linux",
            release="6.1.0",
            arch="x86_64",
            cpu_model="An Invented Processor 3000",
            cores=2,
            python="3.11.9",
            implementation="CPython",
            server_cores=[0],
            generator_cores=[1],
            descriptor_limit=20000,
            kernel={"tcp_pingpong_thresh": "1"},
            tools={"wrk": "4.1.0"},
            load_average=[0.1, 0.1, 0.1],
        ),
        points=[_point(plan, chance, scale, repeats) for plan in plans],
    )


def book() -> Record:
    return record(book_plan())


def mine() -> Record:
    return record(tour_plan(), scale=1.3, repeats=2, seed=2)


def _point(plan: Plan, chance: random.Random, scale: float, repeats: int) -> Point:
    point = plan.point()
    if plan.server in ("step03", "step07") and plan.connections == 1000:
        return point.model_copy(update={"skipped": "select() cannot watch so many"})
    rate = _rate(plan) * scale
    bound = plan.server in ("step07", "step08") and plan.generator == "lab"
    found = [
        _repeat(n, rate * chance.uniform(0.95, 1.05), plan, bound)
        for n in range(repeats)
    ]
    calls = {"recvfrom": 1.0, "sendto": 2.0, "futex": 1.3} if plan.syscalls else None
    return point.model_copy(update={"repeats": found, "syscalls_per_request": calls})


def _rate(plan: Plan) -> float:
    rate = float(_RATES.get(plan.server, 40000))
    if plan.mode == "close":
        rate = min(rate, 18000.0)
    elif plan.server in _WAITING:
        rate = plan.connections / _WAITING[plan.server] * 1000
    elif plan.connections == 1:
        rate /= 8
    if plan.silent and plan.server == "step07":
        rate /= 5
    return rate


def _repeat(n: int, rate: float, plan: Plan, bound: bool) -> Repeat:
    median = plan.connections / rate * 1000
    stats = {
        "rebuilds": 30.0, "selects": rate, "ebadf": 2.0, "lock_uses": 3 * rate,
        "lock_waits": 0.01 * rate, "lock_wait_s": 0.001,
    }  # fmt: skip
    return Repeat(
        position_in_run=n,
        seconds=3.0,
        requests=int(rate * 3),
        throughput_rps=rate,
        latency_ms=LatencyMs(
            p50=median, p75=median * 1.1, p90=median * 1.2, p99=median * 1.5,
            p999=median * 2, max=median * 4, mean=median * 1.05,
        ),
        server_cpu=min(1.0, rate / 60000 + 0.02),
        generator_cpu=0.5,
        generator_bound=bound,
        voluntary_switches_per_request=1.5,
        involuntary_switches_per_request=0.1,
        peak_rss_bytes=31_000_000,
        stats=stats,
    )  # fmt: skip
