"""What a run measured, as a file.

A record is JSON: one machine, and a list of points. A point is one server under one
kind of load; it holds every repeat, so that a reader can see the spread and not only
a median. `python -m lab schema` prints the schema; the descriptions below are its
documentation, units included.

What can be asked of a record is in `lab/record/measurement.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.load.kinds import UNREAD_BYTES, Headers, Manner
from lab.paths import short_path

SCHEMA_VERSION: Literal[1] = 1

Mode = Literal["keep-alive", "close"]
Generator = Literal["lab", "wrk"]

NonNegative = Annotated[float, Field(ge=0)]

#: A run in which others took more than this share of the server's core is disturbed.
DISTURBED = 0.05


class RecordError(Exception):
    """A record that cannot be read; the message is one line and says what to do."""


class _Part(BaseModel):
    """Any part of a record: it cannot be changed, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LatencyMs(_Part):
    """From sending a request to the last byte of its response, in milliseconds."""

    p50: NonNegative = Field(description="The median, in ms.")
    p75: NonNegative = Field(description="75 % were at least this quick, in ms.")
    p90: NonNegative = Field(description="90 % were at least this quick, in ms.")
    p99: NonNegative = Field(description="99 % were at least this quick, in ms.")
    p999: NonNegative = Field(description="99.9 % were at least this quick, in ms.")
    max: NonNegative = Field(description="The slowest, in ms.")
    mean: NonNegative = Field(description="The arithmetic mean, in ms.")


class Repeat(_Part):
    """One timed run of one point."""

    position_in_run: int = Field(
        ge=0,
        description="How many timed runs of the whole measurement came before this "
        "one. Repeats of one point lie far apart, so that a disturbance does not hit "
        "all of them.",
    )
    seconds: float = Field(gt=0, description="Length of the timed run, in seconds.")
    requests: int = Field(
        ge=0, description="Requests answered in full within the timed run."
    )
    throughput_rps: NonNegative = Field(description="Requests answered a second.")
    latency_ms: LatencyMs | None = Field(
        description="Latency of the requests answered; null if there was none."
    )
    errors: dict[str, int] = Field(
        default_factory=dict,
        description="Failed requests by kind, such as refused, reset, timeout.",
    )
    reconnects: int = Field(
        default=0,
        ge=0,
        description="How often the server closed a kept connection after an answer.",
    )
    silent_open: int = Field(
        default=0,
        ge=0,
        description="Silent connections that were still open at the end of the run.",
    )
    server_cpu: NonNegative | None = Field(
        default=None,
        description="CPU time of the server divided by the length of the run: 1.0 is "
        "one core fully used.",
    )
    others_cpu: NonNegative | None = Field(
        default=None,
        description="What other processes took of the server's core (and a hypervisor "
        "of its machine), likewise. More than a few percent: the run was disturbed. "
        "Null where the server was not pinned to a core.",
    )
    generator_cpu: NonNegative | None = Field(
        default=None,
        description="The same for the busiest process of the load generator.",
    )
    generator_busy: NonNegative | None = Field(
        default=None,
        description="Share of the run in which that process was on a core or waiting "
        "for one. Less than 0.9: it waited for the server, which was the limit.",
    )
    generator_bound: bool = Field(
        default=False,
        description="The generator, not the server, was the limit: the throughput is "
        "only a lower bound of what the server can do, and the latency an upper bound.",
    )
    voluntary_switches_per_request: NonNegative | None = Field(
        default=None,
        description="Times a thread of the server went to sleep, for each request.",
    )
    involuntary_switches_per_request: NonNegative | None = Field(
        default=None,
        description="Times a thread of the server was put aside by the kernel, for "
        "each request. Null where the system does not count them.",
    )
    peak_rss_bytes: int | None = Field(
        default=None,
        ge=0,
        description="The most memory that the server held up to the end of the run, "
        "in bytes; where the system does not keep the peak, what it held at the end.",
    )
    stats: dict[str, float] = Field(
        default_factory=dict,
        description="What the step itself counted (the line it logs on SIGUSR1): the "
        "difference between the end and the start of the run. Names ending in _s are "
        "seconds, others are counts.",
    )

    @property
    def is_disturbed(self) -> bool:
        """Whether others took more than a few percent of the server's core; or of the
        generator's, so that it seemed to be the limit."""
        if self.others_cpu is not None and self.others_cpu > DISTURBED:
            return True
        busy, used = self.generator_busy, self.generator_cpu
        if not self.generator_bound or busy is None or used is None:
            return False
        return busy - used > DISTURBED


class SilentCost(_Part):
    """What connections that never send a byte cost a server that has nothing to do."""

    connections: int = Field(ge=1, description="Silent connections that were opened.")
    accepted: int = Field(
        ge=0,
        description="How many the server had taken from the kernel when its memory was "
        "read: its descriptors tell.",
    )
    still_open: int = Field(ge=0, description="How many the server had not closed.")
    rss_before_bytes: int = Field(
        ge=0,
        description="Resident memory of the server, all its processes together, after "
        "a warm-up and before they were opened. What the kernel holds for a connection "
        "is not in it.",
    )
    rss_after_bytes: int = Field(ge=0, description="The same while they were open.")
    seconds: float = Field(gt=0, description="How long its CPU time was watched.")
    cpu: NonNegative = Field(
        description="CPU time in that time, divided by it: 1.0 is one core fully used."
    )


class Point(_Part):
    """One server under one kind of load, with every repeat."""

    server: str = Field(
        description="A step, such as step06 or, with flags, step10 --workers 0; or a "
        "peer's name."
    )
    mode: Mode = Field(
        description="Whether clients keep their connection, or make one a request."
    )
    connections: int = Field(
        ge=1,
        description="Clients that are active at once. With closed-loop load each has "
        "one request in flight.",
    )
    silent: int = Field(
        default=0,
        ge=0,
        description="Connections that are open besides and are no help to anybody.",
    )
    manner: Manner = Field(
        default="silent",
        description="What those do: never send a byte; send a request, read the answer "
        "and send no more; send half a request and no more; or ask for "
        f"{UNREAD_BYTES // 1_000_000} MB and read none of them.",
    )
    path: str = Field(default="/", description="What is asked for.")
    headers: Headers = Field(
        default="plain",
        description="plain: Host alone; browser: thirteen fields as a browser sends.",
    )
    generator: Generator = Field(
        default="lab", description="lab: the embedded generator; wrk: wrk."
    )
    gil: bool | None = Field(
        default=None,
        description="Whether the server ran with Python's global lock or without, on "
        "one of the record's `pythons`; null: on the Python that measured.",
    )
    stagger_s: float = Field(
        default=0.0,
        ge=0,
        description="Over how long the clients' first requests were spread, in "
        "seconds; 0: all began at once (wrk: as soon as each was connected).",
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        description="Requests a second in total at a constant rate; null: closed loop, "
        "each client sends its next request when it has its answer.",
    )
    repeats: list[Repeat] = Field(
        default_factory=list, description="Every timed run, in the order of time."
    )
    set_aside: list[Repeat] = Field(
        default_factory=list,
        description="Runs that others disturbed, each of which another run has "
        "replaced: nothing is drawn from them.",
    )
    syscalls_per_request: dict[str, float] | None = Field(
        default=None,
        description="System calls of the server for each request, by name, counted by "
        "strace in a separate run that is not timed; null where not counted.",
    )
    silent_cost: SilentCost | None = Field(
        default=None,
        description="What the silent connections alone cost, in a separate run without "
        "active clients; null where not measured.",
    )
    skipped: str | None = Field(
        default=None, description="Why this point was not measured; null if it was."
    )


class Machine(_Part):
    """Where and with what it was measured."""

    system: str = Field(description="Linux or Darwin.")
    release: str = Field(description="The kernel's release.")
    arch: str = Field(description="Such as x86_64 or arm64.")
    cpu_model: str = Field(description="As the system names it.")
    cores: int = Field(ge=1, description="Cores this process may use.")
    python: str = Field(description="Version of Python that ran the servers.")
    implementation: str = Field(description="Such as CPython.")
    server_cores: list[int] = Field(
        description="The cores that the server was pinned to; empty: not pinned."
    )
    generator_cores: list[int] = Field(
        description="The cores that the generator was pinned to; empty: not pinned."
    )
    descriptor_limit: int = Field(
        ge=0, description="Descriptors a process may open (RLIMIT_NOFILE, soft)."
    )
    kernel: dict[str, str] = Field(
        default_factory=dict,
        description="Kernel settings that matter here, by name, where they exist.",
    )
    tools: dict[str, str] = Field(
        default_factory=dict, description="Versions of the tools used, by name."
    )
    load_average: list[float] = Field(
        default_factory=list,
        description="Load average over 1, 5 and 15 minutes when the run started; a "
        "busy machine disturbs.",
    )


class Interpreter(_Part):
    """A Python that ran servers."""

    gil: bool = Field(description="Whether it runs with the global interpreter lock.")
    version: str = Field(description="Such as 3.13.5.")
    implementation: str = Field(description="Such as CPython.")
    compiler: str = Field(description="What it was built with, as it says.")
    options: str = Field(
        description="How its build was configured, but for paths; empty if not known."
    )


class Contestant(_Part):
    """A server of the comparison with others: which it was, and how it was set."""

    name: str = Field(description="As in the points' server.")
    title: str = Field(description="As in a table.")
    ours: bool = Field(description="Whether it is one of the steps.")
    versions: dict[str, str] = Field(
        description="Versions by package; none for ours, whose version is the commit."
    )
    settings: str = Field(description="What differs from what it does by itself.")


class Strictness(_Part):
    """What a server did with a checklist of raw requests, lab/measure/strictness.py."""

    must_refuse: int = Field(
        ge=1,
        description="Requests that it must refuse, or after which it must close.",
    )
    refused: int = Field(
        ge=0, description="How many it did: an error, or an end without an answer."
    )
    waited: list[str] = Field(
        description="Those after which it neither answered nor closed for a second."
    )
    let_through: list[str] = Field(
        description="Those that it answered, or after which it did not close."
    )
    must_accept: int = Field(ge=0, description="Well-formed requests beside them.")
    accepted: int = Field(ge=0, description="How many of those it answered with 2xx.")
    not_accepted: list[str] = Field(description="Those that it did not.")


class SlowClients(_Part):
    """When a server closed on clients that are slow, with its own default limits; null
    where it had not, after all the time of watching."""

    watched_s: float = Field(gt=0, description="How long it was watched, in seconds.")
    half_head_s: NonNegative | None = Field(
        description="After half a head and no more, in seconds."
    )
    trickled_head_s: NonNegative | None = Field(
        description="While a head came by a byte a second, from its first one."
    )
    half_body_s: NonNegative | None = Field(
        description="After half a body and no more, in seconds."
    )


class Drain(_Part):
    """What became of requests that a server had received before SIGTERM."""

    repeats: int = Field(ge=1, description="How often a server was started and ended.")
    sent: int = Field(
        ge=1,
        description="Requests that were sent whole 0.1 s before the signal, each on a "
        "connection that had been answered once.",
    )
    answered: int = Field(ge=0, description="How many of them were answered whole.")
    idle: int = Field(
        ge=0, description="Connections that were kept and had nothing to say."
    )
    idle_closed: int = Field(
        ge=0,
        description="How many of those came to a plain end, not a reset, within 3 s "
        "of the last answer.",
    )


class Conduct(_Part):
    """What a server of the comparison does beside being quick."""

    server: str = Field(description="As in contestants.")
    strictness: Strictness | None = Field(
        default=None, description="Null where not measured, as those below."
    )
    slow_clients: SlowClients | None = Field(
        default=None, description="When clients that are slow are cut off."
    )
    drain: Drain | None = Field(default=None, description="What is lost at its end.")
    skipped: str | None = Field(
        default=None, description="Why something was not measured; null if all was."
    )


class Record(_Part):
    """A whole run."""

    schema_version: Literal[1] = Field(
        default=SCHEMA_VERSION, description="Version of this schema."
    )
    created_utc: str = Field(description="When the run started, ISO 8601, in UTC.")
    commit: str | None = Field(
        description="Commit of the project that was measured; null if not known."
    )
    dirty: bool = Field(
        description="Whether files under steps/ or lab/ differed from that commit."
    )
    complete: bool = Field(
        description="Whether the run finished; false: it was interrupted, and holds "
        "the repeats finished until then."
    )
    machine: Machine = Field(description="The machine, and what ran on it.")
    points: list[Point] = Field(description="All points, in the order of the plan.")
    pythons: list[Interpreter] = Field(
        default_factory=list,
        description="With the GIL and without, where both ran the servers; else none.",
    )
    contestants: list[Contestant] = Field(
        default_factory=list,
        description="The servers that are compared; none in a record of steps alone.",
    )
    conduct: list[Conduct] = Field(
        default_factory=list,
        description="What they do beside being quick; none in an older record.",
    )


def load_record(path: Path) -> Record:
    """The record in that file. Raises RecordError, in one line."""
    name = short_path(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise RecordError(f"{name} does not exist: `make tour` measures one") from None
    except OSError as error:
        raise RecordError(f"{name} cannot be read: {error.strerror}") from None
    try:
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        more = error.error_count() - 1
        others = f" (and {more} more)" if more else ""
        raise RecordError(
            f"{name} is not a record that this version reads: "
            f"{where}: {first['msg']}{others}"
        ) from None


def save_record(record: Record, path: Path) -> None:
    """Write the record so that the file is whole at any moment: the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=1) + "\n")
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def set_aside(path: Path) -> Path:
    """Give a record another name, so that a new one does not replace it."""
    number = 1
    while (aside := path.with_suffix(f".{number}.json")).exists():
        number += 1
    return path.rename(aside)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m lab schema`: the schema of a record, as JSON Schema."""
    argparse.ArgumentParser(
        prog="python -m lab schema", description="Print the JSON schema of a record."
    ).parse_args(argv)
    print(json.dumps(Record.model_json_schema(), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
