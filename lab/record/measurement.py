"""A record that answers questions: `rate("step06", 100)`.

The answers are quantities (`lab/record/quantity.py`), which carry the spread and any
doubt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypedDict, Unpack

from lab.load.kinds import Headers, Manner
from lab.paths import BOOK, CLOSER, COMPARISON, FREE_THREADED, IN_C
from lab.record.model import (
    Conduct,
    Generator,
    LatencyMs,
    Mode,
    Point,
    Record,
    Repeat,
    SilentCost,
    load_record,
)
from lab.record.names import CLOSING_STEPS
from lab.record.quantity import Quantity


class Where(TypedDict, total=False):
    """Which point is meant, beside the server and the number of connections."""

    mode: Mode  # left out: what the server does by itself
    silent: int
    manner: Manner
    headers: Headers
    path: str
    stagger_s: float
    generator: Generator  # left out: the better one that measured it
    gil: bool  # whether Python had it, where both were measured; left out: ours


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

    def __init__(
        self, record: Record, beside: Mapping[str, Record] = MappingProxyType({})
    ) -> None:
        """beside: other records of the same machine, by the names of their files."""
        self.record = record
        self._beside = beside

    @classmethod
    def load(cls, path: Path) -> Measurement:
        """The record in that file, and those beside it if there are any.

        Raises RecordError.
        """
        files = (
            path.with_name(name) for name in (COMPARISON, CLOSER, FREE_THREADED, IN_C)
        )
        beside = {
            file.name: load_record(file)
            for file in files
            if file != path and file.exists()
        }
        return cls(load_record(path), beside)

    @property
    def records(self) -> Mapping[str, Record]:
        """The record itself and those beside it, by the names of their files."""
        return {BOOK.name: self.record, **self._beside}

    @property
    def compare(self) -> Measurement:
        """What `python -m lab compare` measured on the same machine: a record of its
        own. Where there is none, nothing in it was measured."""
        return Measurement(self._beside.get(COMPARISON) or self._nothing())

    @property
    def in_c(self) -> Measurement:
        """Likewise what `python -m lab in-c` measured."""
        return Measurement(self._beside.get(IN_C) or self._nothing())

    def _nothing(self) -> Record:
        return self.record.model_copy(
            update={"points": [], "contestants": [], "conduct": []}
        )

    @property
    def closer(self) -> Measurement:
        """What `python -m lab closer` measured on the same machine, many times; where
        that has not been run, this record, whose tour measures the same less often."""
        closer = self._beside.get(CLOSER)
        return self if closer is None else Measurement(closer)

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

    def share_above(
        self, server: str, connections: int, rate: float, **where: Unpack[Where]
    ) -> Quantity:
        """The share of the repeats that had more than so many requests a second."""
        for point in self._points(server, connections, where):
            if point.repeats:
                above = sum(r.throughput_rps > rate for r in point.repeats)
                share = Quantity.exactly(above / len(point.repeats))
                return replace(share, repeats=len(point.repeats))
        what = _named(server, connections, where)
        return Quantity.missing("", f"{what}: not measured")

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
        """Memory of the server that a connection costs which never spoke, in bytes.

        Measured in one separate run, so it comes without a spread.
        """
        return self._silent_cost(server, "silent", "bytes", _bytes_each)

    def kept_bytes(self, server: str) -> Quantity:
        """The same of a connection that was served once and is kept."""
        return self._silent_cost(server, "kept", "bytes", _bytes_each)

    def silent_cpu(self, server: str) -> Quantity:
        """CPU time that all silent connections together cost, in % of one core."""
        return self._silent_cost(server, "silent", "%", lambda cost: 100 * cost.cpu)

    def not_refused(self, server: str) -> Quantity:
        """How many requests it did not refuse of those that it must."""
        found = self._conduct(server).strictness
        if found is None:
            return Quantity.missing("", f"{server}: strictness was not watched")
        return Quantity.exactly(found.must_refuse - found.refused)

    def cut_off(self, server: str) -> Quantity:
        """When the last slow client was cut off, in ms."""
        found = self._conduct(server).slow_clients
        if found is None:
            return Quantity.missing("ms", f"{server}: slow clients were not watched")
        ends = (found.half_head_s, found.trickled_head_s, found.half_body_s)
        last = [math.inf if end is None else 1000 * end for end in ends]
        watched = 1000 * found.watched_s
        if max(last) <= watched:
            return Quantity.exactly(max(last), "ms")
        return replace(Quantity.exactly(watched, "ms"), high=math.inf)

    def lost_at_end(self, server: str) -> Quantity:
        """How many requests it left unanswered of those that came before SIGTERM."""
        found = self._conduct(server).drain
        if found is None:
            return Quantity.missing("", f"{server}: its end was not watched")
        return Quantity.exactly(found.sent - found.answered)

    def _conduct(self, server: str) -> Conduct:
        found = (each for each in self.record.conduct if each.server == server)
        return next(found, Conduct(server=server))

    def _silent_cost(
        self,
        server: str,
        manner: Manner,
        unit: str,
        value: Callable[[SilentCost], float],
    ) -> Quantity:
        for point in self.record.points:
            of_it = point.server == server and point.manner == manner
            if of_it and point.silent_cost is not None:
                return Quantity.exactly(value(point.silent_cost), unit)
        return Quantity.missing(
            unit, f"{server}: {manner} connections not measured by themselves"
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
        gil = where.get("gil")
        record = (
            self.record if gil is None else self._beside.get(FREE_THREADED, self.record)
        )
        found = [
            point
            for point in record.points
            if point.server == server
            and point.gil == gil
            and point.connections == connections
            and point.mode == where.get("mode", default)
            and point.silent == where.get("silent", 0)
            and point.manner == where.get("manner", "silent")
            and point.headers == where.get("headers", "plain")
            and point.path == where.get("path", "/")
            and point.stagger_s == where.get("stagger_s", 0.0)
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
    if "gil" in where:
        more.append("with the GIL" if where["gil"] else "without the GIL")
    if where.get("stagger_s"):
        more.append(f"begun within {1000 * where['stagger_s']:g} ms")
    if "generator" in where:
        more.append(f"generator {where['generator']}")
    return ", ".join([server, clients, *more])


def _bytes_each(cost: SilentCost) -> float:
    return (cost.rss_after_bytes - cost.rss_before_bytes) / max(1, cost.accepted)
