"""What tables and figures ask a record, by the names that a page uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.load.kinds import Manner
from lab.record import names
from lab.record.measurement import Measurement
from lab.record.model import Generator
from lab.record.names import step_of
from lab.record.quantity import Quantity

TITLES = {
    "step01": "01 close after response",
    "step02": "02 four workers",
    "step03": "03 timeout and rebuild",
    "step04": "04 pipe and a second thread",
    "step05": "05 detach and re-attach",
    "step06": "06 both",
    "step07": "07 one line",
    "step08": "08 register once",
    "step09": "09 never block",
    "step10": "10 workers again",
    "step11": "11 deadlines",
    "step12": "12 a server to keep",
    "step13": "13 any application",
    "step14": "14 every core",
    "step15": "15 it has a name",
}
STEPS = tuple(TITLES)
#: The question's server up to its cure.
CASE = STEPS[:8]


def title(server: str) -> str:
    """flags, if it has any, as they are typed: "10 workers again (--workers 0)"."""
    if server in names.TITLES:  # of the comparison, in whose tables they are so called
        return names.for_a_list(names.TITLES[server])
    _, space, flags = server.partition(" ")
    named = TITLES.get(step_of(server))
    if named is None:
        return names.for_a_list(server)
    return f"{named} ({flags})" if space else named


@dataclass(frozen=True)
class Measure:
    """Something a record is asked, by the name that tables and figures use."""

    title: str
    axis: str
    ask: Callable[..., Quantity]
    log: bool = True


MEASURES = {
    "rates": Measure("requests a second", "requests a second", Measurement.rate),
    "latency": Measure("latency", "latency, ms", Measurement.latency),
    "cpu": Measure(
        "the server's CPU, in % of one core",
        "CPU, % of one core",
        Measurement.cpu,
        False,
    ),
    "memory": Measure("memory", "bytes", Measurement.memory),
    "syscalls": Measure("system calls a request", "calls", Measurement.syscalls),
    "switches": Measure(
        "context switches a request", "switches a request", Measurement.switches
    ),
}


def measured_connections(m: Measurement, servers: Sequence[str]) -> list[int]:
    return sorted(
        {
            p.connections
            for p in m.record.points
            if p.server in servers
            and not p.silent
            and not p.stagger_s
            and p.path == "/"
        }
    )


class Beside(NamedTuple):
    """Words for connections that are open besides."""

    each: str
    all: str


BESIDE: dict[Manner, Beside] = {
    "silent": Beside("silent", "silent connections"),
    "kept": Beside("kept", "connections that were served and are kept"),
    "half": Beside("half requests", "connections with half a request"),
    "unread": Beside("not reading", "clients that do not read"),
}


def measured_silent(
    m: Measurement, servers: Sequence[str], manner: Manner = "silent"
) -> list[int]:
    return sorted(
        {0}
        | {
            p.silent
            for p in m.record.points
            if p.server in servers and p.manner == manner
        }
    )


def rate_beside(
    m: Measurement,
    server: str,
    connections: int,
    *,
    silent: int,
    manner: Manner,
    generator: Generator,
) -> Quantity:
    """Where there are none besides, they have no manner."""
    how = manner if silent else "silent"
    return m.rate(server, connections, silent=silent, manner=how, generator=generator)
