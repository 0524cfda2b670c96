"""What a run measured, as a file and as something to ask.

A record is JSON: one machine, and a list of points. A point is one server under one
kind of load; it holds every repeat, so that a reader can see the spread and not only
a median. `python -m lab schema` prints the schema; the descriptions below are its
documentation, units included.

`Measurement` is a record that answers questions: `rate("step06", 100)`. Its answers
are quantities (`lab/quantity.py`), which carry the spread and any doubt.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.quantity import Quantity
from lab.silent import UNREAD_BYTES as UNREAD_BYTES  # part of this module's interface
from lab.silent import Manner as Manner

ROOT = Path(__file__).resolve().parent.parent
#: The recorded run that the book prints.
BOOK = ROOT / "docs" / "measurements" / "book.json"
#: The reader's own run, made by `make`; git does not keep it.
READER = ROOT / "measurements" / "mine.json"

#: The comparison with peers, beside either of them.
COMPARISON = "compare.json"

SCHEMA_VERSION: Literal[1] = 1

Mode = Literal["keep-alive", "close"]
Headers = Literal["plain", "browser"]
Generator = Literal["lab", "wrk"]

#: Steps that close after each response, so that "keep-alive" is not asked of them.
CLOSING_STEPS = frozenset({"step01", "step02"})


def step_of(server: str) -> str:
    """The step alone, where its flags are named, too: "step10 --workers 0"."""
    return server.partition(" ")[0]


NonNegative = Annotated[float, Field(ge=0)]


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
        description="What those do: never send a byte, send half a request and no "
        f"more, or ask for {UNREAD_BYTES // 1_000_000} MB and read none of them.",
    )
    path: str = Field(default="/", description="What is asked for.")
    headers: Headers = Field(
        default="plain",
        description="plain: Host alone; browser: thirteen fields as a browser sends.",
    )
    generator: Generator = Field(
        default="lab", description="lab: the embedded generator; wrk: wrk."
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


class Contestant(_Part):
    """A server of the comparison with others: which it was, and how it was set."""

    name: str = Field(description="As in the points' server.")
    title: str = Field(description="As in a table.")
    ours: bool = Field(description="Whether it is one of the steps.")
    versions: dict[str, str] = Field(
        description="Versions by package; none for ours, whose version is the commit."
    )
    settings: str = Field(description="What differs from what it does by itself.")


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
    contestants: list[Contestant] = Field(
        default_factory=list,
        description="The servers that are compared; none in a record of steps alone.",
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


def short_path(path: Path) -> str:
    """The path as a reader would type it in the project's folder."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)


class Where(TypedDict, total=False):
    """Which point is meant, beside the server and the number of connections."""

    mode: Mode  # left out: what the server does by itself
    silent: int
    manner: Manner
    headers: Headers
    path: str
    generator: Generator  # left out: the better one that measured it


class Measurement:
    """A record that answers questions, about one point each.

    A question names a server and a number of connections, and may say more: `Where`.
    Without a generator, rates and latencies are wrk's where there are any, and what
    was counted in the server is the embedded generator's, whose window is exact. The
    answer's `other` is the other generator's, so that a ratio with a figure that only
    that one measured compares like with like.

    What was not measured is answered with a missing quantity and the reason in its
    `doubt`, never with an exception: a page can print it, a claim is undecided.
    """

    def __init__(self, record: Record, compared: Record | None = None) -> None:
        self.record = record
        self._compared = compared

    @classmethod
    def load(cls, path: Path) -> Measurement:
        """The record in that file, and the comparison beside it if there is one.

        Raises RecordError.
        """
        beside = path.with_name(COMPARISON)
        compared = beside != path and beside.exists()
        return cls(load_record(path), load_record(beside) if compared else None)

    @property
    def compare(self) -> Measurement:
        """What `python -m lab compare` measured on the same machine: a record of its
        own. Where there is none, nothing in it was measured."""
        nothing = self.record.model_copy(update={"points": [], "contestants": []})
        return Measurement(self._compared or nothing)

    def point(
        self, server: str, connections: int, **where: Unpack[Where]
    ) -> Point | None:
        """The point that was measured (or skipped) so; None if it was not planned."""
        return next(iter(self._points(server, connections, where)), None)

    def rate(self, server: str, connections: int, **where: Unpack[Where]) -> Quantity:
        """Throughput, in requests a second."""
        return self._ask(
            server,
            connections,
            where,
            "1/s",
            lambda r: r.throughput_rps,
            generator_hides="more",
        )

    def latency(
        self,
        server: str,
        connections: int,
        percentile: str = "p50",
        **where: Unpack[Where],
    ) -> Quantity:
        """Latency in ms; percentile is p50, p75, p90, p99, p999, max or mean."""
        if percentile not in LatencyMs.model_fields:
            names = ", ".join(LatencyMs.model_fields)
            raise ValueError(f"{percentile!r} is none of {names}")

        def value(repeat: Repeat) -> float | None:
            if repeat.latency_ms is None:
                return None
            return float(getattr(repeat.latency_ms, percentile))

        return self._ask(
            server, connections, where, "ms", value, generator_hides="less"
        )

    def stat(
        self,
        server: str,
        connections: int,
        name: str,
        *,
        per_request: bool = False,
        **where: Unpack[Where],
    ) -> Quantity:
        """What the step counted during the run, whole or for each request.

        A name ending in _s is a time: it is answered in ms.
        """
        unit, factor = ("ms", 1000.0) if name.endswith("_s") else ("", 1.0)

        def value(repeat: Repeat) -> float | None:
            if name not in repeat.stats or (per_request and not repeat.requests):
                return None
            counted = repeat.stats[name] * factor
            return counted / repeat.requests if per_request else counted

        return self._ask(server, connections, where, unit, value)

    def cpu(self, server: str, connections: int, **where: Unpack[Where]) -> Quantity:
        """CPU time of the server, in % of one core."""

        def value(repeat: Repeat) -> float | None:
            return None if repeat.server_cpu is None else 100 * repeat.server_cpu

        return self._ask(server, connections, where, "%", value)

    def switches(
        self, server: str, connections: int, **where: Unpack[Where]
    ) -> Quantity:
        """Times that a thread of the server went to sleep, for each request."""
        return self._ask(
            server, connections, where, "", lambda r: r.voluntary_switches_per_request
        )

    def memory(self, server: str, connections: int, **where: Unpack[Where]) -> Quantity:
        """The most memory that the server held, in bytes."""
        return self._ask(
            server, connections, where, "bytes", lambda r: r.peak_rss_bytes
        )

    def still_open(
        self, server: str, connections: int, **where: Unpack[Where]
    ) -> Quantity:
        """How many of the silent connections were open at the end of the run."""
        return self._ask(server, connections, where, "", lambda r: r.silent_open)

    def syscalls(
        self,
        server: str,
        connections: int,
        name: str | None = None,
        **where: Unpack[Where],
    ) -> Quantity:
        """System calls for each request: one by name, or all together.

        They are counted in one separate run, so they come without a spread.
        """
        for point in self._points(server, connections, where):
            calls = point.syscalls_per_request
            if calls is not None:
                one = sum(calls.values()) if name is None else calls.get(name, 0.0)
                return Quantity.exactly(one)
        what = _named(server, connections, where)
        return Quantity.missing("", f"{what}: system calls not counted")

    def silent_bytes(self, server: str) -> Quantity:
        """Memory of the server that a silent connection costs, in bytes.

        Measured in one separate run, so it comes without a spread.
        """

        def each(cost: SilentCost) -> float:
            more = cost.rss_after_bytes - cost.rss_before_bytes
            return more / max(1, cost.accepted)

        return self._silent_cost(server, "bytes", each)

    def silent_cpu(self, server: str) -> Quantity:
        """CPU time that all silent connections together cost, in % of one core."""
        return self._silent_cost(server, "%", lambda cost: 100 * cost.cpu)

    def _silent_cost(
        self, server: str, unit: str, value: Callable[[SilentCost], float]
    ) -> Quantity:
        for point in self.record.points:
            if point.server == server and point.silent_cost is not None:
                return Quantity.exactly(value(point.silent_cost), unit)
        return Quantity.missing(
            unit, f"{server}: silent connections not measured by themselves"
        )

    def generator_of(
        self, servers: Sequence[str], counts: Sequence[int], **where: Unpack[Where]
    ) -> Generator:
        """Whose figures can stand side by side, for so many connections each: wrk's,
        unless it left out a point that the embedded generator measured."""
        for server in servers:
            for connections in counts:
                points = self._points(server, connections, where)
                if {point.generator for point in points if point.repeats} == {"lab"}:
                    return "lab"
        return "wrk"

    def _points(
        self,
        server: str,
        connections: int,
        where: Where,
        best: Generator = "wrk",
    ) -> list[Point]:
        """The points that were measured so, the best first, and then those skipped."""
        default: Mode = "close" if server in CLOSING_STEPS else "keep-alive"
        found = [
            point
            for point in self.record.points
            if point.server == server
            and point.connections == connections
            and point.mode == where.get("mode", default)
            and point.silent == where.get("silent", 0)
            and point.manner == where.get("manner", "silent")
            and point.headers == where.get("headers", "plain")
            and point.path == where.get("path", "/")
            and point.generator == where.get("generator", point.generator)
            and point.rate is None
        ]
        found.sort(key=lambda point: (not point.repeats, point.generator != best))
        return found

    def _ask(
        self,
        server: str,
        connections: int,
        where: Where,
        unit: str,
        value: Callable[[Repeat], float | None],
        *,
        generator_hides: Literal["more", "less"] | None = None,
    ) -> Quantity:
        what = _named(server, connections, where)
        answers: list[Quantity] = []
        doubt = "not measured"
        best_generator: Generator = "wrk" if generator_hides else "lab"
        for point in self._points(server, connections, where, best_generator):
            values = [v for v in map(value, point.repeats) if v is not None]
            if not values:
                doubt = point.skipped or doubt
                continue
            # One repeat that the generator limited makes the whole a bound: the
            # spread would otherwise end where the generator's strength does.
            bound = any(repeat.generator_bound for repeat in point.repeats)
            limited = bound and generator_hides is not None
            answers.append(
                Quantity.of(
                    values,
                    unit,
                    at_least=limited and generator_hides == "more",
                    at_most=limited and generator_hides == "less",
                    doubt=f"{what}: the generator was the limit" if limited else None,
                    generator=point.generator,
                )
            )
        if not answers:
            return Quantity.missing(unit, f"{what}: {doubt}")
        best, *others = answers
        return replace(best, other=others[0]) if others else best


def _named(server: str, connections: int, where: Where) -> str:
    """Such as "step07, 10 connections and 900 silent, wrk"."""
    clients = "1 connection" if connections == 1 else f"{connections} connections"
    if where.get("silent"):
        clients += f" and {where['silent']} {where.get('manner', 'silent')}"
    more = [where[key] for key in ("mode", "headers", "path") if key in where]
    if "generator" in where:
        more.append(f"generator {where['generator']}")
    return ", ".join([server, clients, *more])
