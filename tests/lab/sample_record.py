"""A record made up for tests: the shape of the case, with digits nobody measured."""

from __future__ import annotations

from collections.abc import Iterable

from lab.load.kinds import Headers, Manner
from lab.measure.peers import contestant
from lab.record.model import (
    Conduct,
    Drain,
    Generator,
    LatencyMs,
    Machine,
    Mode,
    Point,
    Record,
    Repeat,
    SilentCost,
    SlowClients,
    Strictness,
)
from lab.record.names import FOUR_WORKERS, IN_THE_LOOP, ONE_PROCESS, TWO_PROCESSES


def sample_machine(*, system: str = "Linux", cores: int = 2) -> Machine:
    return Machine(
        system=system,
        release="6.1.0",
        arch="x86_64",
        cpu_model="A processor of the tests",
        cores=cores,
        python="3.11.7",
        implementation="CPython",
        server_cores=[0],
        generator_cores=[1],
        descriptor_limit=1_048_576,
        kernel={"net.ipv4.tcp_pingpong_thresh": "1"},
        tools={"wrk": "4.1.0"},
        load_average=[0.1, 0.1, 0.1],
    )


def sample_repeat(
    rate: float,
    latency_ms: float,
    *,
    position: int = 0,
    seconds: float = 2.0,
    generator_bound: bool = False,
    stats: dict[str, float] | None = None,
) -> Repeat:
    return Repeat(
        position_in_run=position,
        seconds=seconds,
        requests=round(rate * seconds),
        throughput_rps=rate,
        latency_ms=LatencyMs(
            p50=latency_ms,
            p75=latency_ms * 1.05,
            p90=latency_ms * 1.1,
            p99=latency_ms * 1.5,
            p999=latency_ms * 2,
            max=latency_ms * 3,
            mean=latency_ms,
        ),
        server_cpu=min(1.0, rate / 60_000),
        generator_cpu=0.97 if generator_bound else min(0.9, rate / 100_000),
        generator_bound=generator_bound,
        voluntary_switches_per_request=2.5,
        involuntary_switches_per_request=0.01,
        peak_rss_bytes=21_000_000,
        stats=stats or {},
    )


def sample_point(
    server: str,
    connections: int,
    rates: Iterable[float],
    *,
    mode: Mode | None = None,
    silent: int = 0,
    headers: Headers = "plain",
    path: str = "/",
    generator: Generator = "lab",
    generator_bound: bool = False,
    stats: dict[str, float] | None = None,
    syscalls: dict[str, float] | None = None,
    skipped: str | None = None,
) -> Point:
    """A point with a repeat for each rate; latency follows by Little's law."""
    if mode is None:
        mode = "close" if server in ("step01", "step02") else "keep-alive"
    return Point(
        server=server,
        mode=mode,
        connections=connections,
        silent=silent,
        headers=headers,
        path=path,
        generator=generator,
        repeats=[
            sample_repeat(
                rate,
                1000 * connections / rate,
                position=position,
                generator_bound=generator_bound,
                stats=stats,
            )
            for position, rate in enumerate(rates)
        ],
        syscalls_per_request=syscalls,
        skipped=skipped,
    )


def disturbed(record: Record, runs: int) -> Record:
    """The record, with so many runs of its first point disturbed by others."""
    first, *others = record.points
    repeats = [
        repeat.model_copy(update={"others_cpu": 0.2 if number < runs else 0.01})
        for number, repeat in enumerate(first.repeats)
    ]
    first = first.model_copy(update={"repeats": repeats})
    return record.model_copy(update={"points": [first, *others]})


def on_one_core(record: Record) -> Record:
    return record.model_copy(update={"machine": sample_machine(cores=1)})


def spread(rate: float) -> list[float]:
    """Three repeats, 2 % apart."""
    return [rate * 0.98, rate, rate * 1.02]


def sample_record(*, factor: float = 1.0, complete: bool = True) -> Record:
    """The eight steps as the design expects them.

    factor: another machine, so many times as fast where the CPU is the limit (the
    timeouts and the delayed acknowledgement stay what they are).
    """
    lock_wait = {"select_calls": 4_700.0, "lock_waits": 12.0, "lock_wait_s": 0.02}
    fast = factor
    points = [
        sample_point("step01", 100, spread(9_500 * fast)),
        sample_point("step02", 1, spread(5_900 * fast)),
        sample_point("step02", 10, spread(15_000 * fast)),
        sample_point("step02", 100, spread(18_600 * fast)),
        sample_point("step02", 1000, spread(17_000 * fast)),
        sample_point("step02", 100, spread(18_900 * fast), generator="wrk"),
        sample_point("step03", 1, spread(10.0)),
        sample_point("step03", 100, spread(1_010)),
        sample_point("step03", 100, spread(1_000), generator="wrk"),
        sample_point("step04", 100, spread(2_100)),
        sample_point("step05", 1, spread(10.0)),
        sample_point("step05", 10, spread(99.0)),
        # The two regimes of step 05 with 100 connections.
        sample_point("step05", 100, [1_010, 2_290, 1_020]),
        sample_point("step06", 1, spread(23.0)),
        sample_point("step06", 10, spread(229.0)),
        sample_point(
            "step06",
            100,
            spread(2_280),
            stats=lock_wait,
            syscalls={"recvfrom": 1.0, "sendto": 2.0, "select": 1.03, "futex": 4.1},
        ),
        sample_point("step06", 100, spread(2_270), generator="wrk"),
        sample_point("step06", 1000, spread(18_800)),
        sample_point("step07", 10, spread(40_000 * fast)),
        sample_point("step07", 10, spread(9_000 * fast), silent=900),
        sample_point("step07", 100, spread(61_000 * fast), generator_bound=True),
        sample_point("step07", 100, spread(72_000 * fast), generator="wrk"),
        sample_point("step08", 10, spread(58_000 * fast)),
        sample_point("step08", 10, spread(57_500 * fast), silent=900),
        sample_point("step08", 100, spread(62_000 * fast), generator_bound=True),
        sample_point("step08", 100, spread(73_000 * fast), generator="wrk"),
        sample_point("step08", 1000, spread(59_000 * fast)),
        sample_point("uvicorn", 100, [], generator="wrk", skipped="not installed"),
    ]
    return Record(
        created_utc="2000-01-01T00:00:00+00:00",
        commit="0" * 40,
        dirty=False,
        complete=complete,
        machine=sample_machine(),
        points=points,
    )


def _silent_point(
    server: str, each: int, cpu: float, manner: Manner = "silent"
) -> Point:
    cost = SilentCost(
        connections=10_000,
        accepted=8_000,
        still_open=10_000,
        rss_before_bytes=20_000_000,
        rss_after_bytes=20_000_000 + 8_000 * each,
        seconds=3.0,
        cpu=cpu,
    )
    point = sample_point(server, 100, spread(45_000), silent=10_000, generator="wrk")
    return point.model_copy(update={"silent_cost": cost, "manner": manner})


def sample_comparison(*, bjoern: float = 110_000, uvicorn: float = 40_000) -> Record:
    """A part of what `python -m lab compare` measures."""
    points = [
        sample_point(IN_THE_LOOP, 100, spread(75_000), generator="wrk"),
        sample_point(FOUR_WORKERS, 100, spread(55_000), generator="wrk"),
        sample_point("granian", 100, spread(50_000), generator="wrk"),
        sample_point("bjoern", 100, spread(bjoern), generator="wrk"),
        sample_point("uvicorn", 100, spread(uvicorn), generator="wrk"),
        sample_point("granian", 10_000, spread(30_000)),
        sample_point("granian", 100, spread(52_000)),
        _silent_point(IN_THE_LOOP, 650, 0.0),
        _silent_point(IN_THE_LOOP, 660, 0.0, "kept"),
        _silent_point("granian", 3_000, 0.01),
        sample_point("gunicorn", 100, [], silent=10_000, skipped="nothing came"),
        sample_point(ONE_PROCESS, 100, spread(70_000), generator="wrk"),
        sample_point(TWO_PROCESSES, 100, spread(80_000), generator="wrk"),
        sample_point(ONE_PROCESS, 100, spread(900), path="/spin/1", generator="wrk"),
        sample_point(TWO_PROCESSES, 100, spread(1700), path="/spin/1", generator="wrk"),
    ]
    names = dict.fromkeys(point.server for point in points)
    return Record(
        created_utc="2000-01-01T00:00:00+00:00",
        commit="0" * 40,
        dirty=False,
        complete=True,
        machine=sample_machine(),
        points=points,
        contestants=[contestant(name) for name in names],
    )


def sample_conduct(server: str, *, refused: int = 30, cut_off: bool = True) -> Conduct:
    """What a server did, with every fact."""
    ends = 10.2 if cut_off else None
    return Conduct(
        server=server,
        strictness=Strictness(
            must_refuse=30,
            refused=refused,
            waited=[],
            let_through=[f"case {number}" for number in range(30 - refused)],
            must_accept=12,
            accepted=11,
            not_accepted=["case a"],
        ),
        slow_clients=SlowClients(
            watched_s=65.0, half_head_s=ends, trickled_head_s=ends, half_body_s=10.0
        ),
        drain=Drain(
            repeats=5,
            sent=100,
            answered=100 if cut_off else 3,
            idle=25,
            idle_closed=25,
        ),
    )
