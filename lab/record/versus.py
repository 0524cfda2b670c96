"""What a comparison with peers says: ratios, costs and winners, from its record.

`Versus` asks a measurement of `lab/measure/compare.py`; the terminal's tables and the
book's print the same `Sheet` of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.record.measurement import Measurement
from lab.record.model import Conduct, Point
from lab.record.names import (
    FOUR_WORKERS,
    IN_THE_LOOP,
    ONE_PROCESS,
    TWO_PROCESSES,
    for_a_list,
)
from lab.record.quantity import THIN_SPACE, Quantity

#: Every ratio is to this one's throughput at the same work.
BASE = "granian"
#: Clients that are active at once; most figures are with so many.
ACTIVE = 100
MANY = (1, ACTIVE, 1000, 10_000)
#: With one client, what this one gains by keeping connections is told beside ours.
IN_C = "bjoern"
SILENT = 10_000
#: Stand behind figures of a table, and are told in its title.
BEST = "★"
NOT_DIFFERENT = "≈"
LEGEND = f"{BEST} the best; {NOT_DIFFERENT} its spread overlaps that of the best"
ASKED_BY = {"wrk": "wrk", "lab": "the lab’s generator"}
#: Each request computes for a millisecond.
SPIN = "/spin/1"


@dataclass(frozen=True, slots=True)
class Work:
    """One thing that all servers do, and what is measured of it."""

    title: str
    ask: Callable[[Measurement, str], Quantity]
    #: Whether the higher figure is the better one.
    more_is_better: bool = True
    #: Whether it is a throughput, which is told as a ratio to `BASE`.
    is_rate: bool = True


def _count(n: int) -> str:
    return f"{n:,}".replace(",", THIN_SPACE)


def _rate(connections: int) -> Callable[[Measurement, str], Quantity]:
    if connections == max(MANY):
        # Some were asked by wrk as well, and the others not: side by side stands what
        # one generator measured.
        return lambda m, server: m.rate(server, connections, generator="lab")
    return lambda m, server: m.rate(server, connections)


RATES = (
    *(Work(_count(n), _rate(n)) for n in MANY),
    Work("browser’s", lambda m, server: m.rate(server, ACTIVE, headers="browser")),
)
#: In the table of the best; the others have it above them.
RATES_TITLES = (
    *(f"plain headers, {_count(n)}" for n in MANY),
    f"a browser’s, {ACTIVE}",
)
COSTS = (
    Work(
        "throughput left",
        lambda m, server: (
            m.rate(server, ACTIVE, silent=SILENT) / m.rate(server, ACTIVE)
        ),
        is_rate=False,
    ),
    Work(
        "bytes each",
        lambda m, server: m.silent_bytes(server),
        more_is_better=False,
        is_rate=False,
    ),
    Work(
        "bytes kept",
        lambda m, server: m.kept_bytes(server),
        more_is_better=False,
        is_rate=False,
    ),
    Work(
        "CPU, all",
        lambda m, server: m.silent_cpu(server),
        more_is_better=False,
        is_rate=False,
    ),
    Work(
        "calls a request",
        lambda m, server: m.syscalls(server, ACTIVE),
        more_is_better=False,
        is_rate=False,
    ),
)
COSTS_TITLES = (
    f"throughput left beside {_count(SILENT)} silent",
    "bytes of memory a silent connection",
    "bytes of memory a kept one",
    f"CPU of {_count(SILENT)} silent connections",
    "system calls a request",
)


#: What the servers do beside being quick, as columns.
CONDUCT = (
    *("refused", "accepted"),
    *("half a head", "slow head", "half a body"),
    "at SIGTERM",
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, before it is known where it is printed."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Columns that hold words, from the left; the others hold figures.
    words: int = 1


class Versus:
    """A measurement of the comparison, by what the servers did."""

    def __init__(self, measurement: Measurement) -> None:
        self.m = measurement
        found = [c for c in measurement.record.contestants if not _is_apart(c.name)]
        self.titles = {c.name: for_a_list(c.title) for c in found}

    def ratio(self, work: Work, server: str) -> Quantity:
        """Throughput relative to `BASE` = 1; what is no throughput, as it is."""
        asked = work.ask(self.m, server)
        return asked / work.ask(self.m, BASE) if work.is_rate else asked

    def winners(self, work: Work) -> list[str]:
        """The best at it, and then those whose spread overlaps that of the best.

        Two results whose spreads overlap are said not to differ, whatever their
        medians are: another run could have them the other way round.
        """
        found = {server: work.ask(self.m, server) for server in self.titles}
        found = {server: q for server, q in found.items() if not q.is_missing}
        if not found:
            return []
        choose = max if work.more_is_better else min
        best = choose(found.values(), key=lambda q: q.median)

        def ties(q: Quantity) -> bool:
            return q is best or (q.low <= best.high and q.high >= best.low)

        tied = [server for server, q in found.items() if ties(q)]
        return sorted(tied, key=lambda server: found[server] is not best)

    # -- tables ---------------------------------------------------------------

    def rates(self) -> Sheet:
        """Requests a second, as they were measured."""
        most = _count(max(MANY))
        asked_by_two = self._asked_by(MANY[:-1]) != ASKED_BY["lab"]
        except_most = f" ({most}: {ASKED_BY['lab']})" if asked_by_two else ""
        return self._sheet(
            f"Requests a second by connections, kept alive, plain headers, asked for "
            f"by {self._asked_by(MANY[:-1])}{except_most}; with a browser’s, {ACTIVE} "
            "connections",
            RATES,
            lambda work, server: work.ask(self.m, server),
        )

    def _asked_by(self, counts: Sequence[int]) -> str:
        return ASKED_BY[self.m.generator_of([IN_THE_LOOP], counts)]

    def ratios(self) -> Sheet:
        return self._sheet(
            f"Throughput, {BASE} = 1, by connections, kept alive, plain headers; with "
            f"a browser’s, {ACTIVE} connections",
            RATES,
            self.ratio,
        )

    def costs(self) -> Sheet:
        measured = [
            work
            for work in COSTS  # an older record has none of some of them
            if not all(work.ask(self.m, server).is_missing for server in self.titles)
        ]
        return self._sheet(
            f"{_count(SILENT)} silent connections: the throughput of {ACTIVE} active "
            "ones beside them; alone, memory of each and CPU of all. And system calls "
            "a request",
            measured,
            lambda work, server: work.ask(self.m, server),
        )

    def won(self) -> Sheet:
        """Who is the best at each work, and how ours do beside it."""
        ours = [s for s in (IN_THE_LOOP, FOUR_WORKERS) if s in self.titles]
        rows = []
        titles = (*RATES_TITLES, *COSTS_TITLES)
        for title, work in zip(titles, (*RATES, *COSTS), strict=True):
            if not (best := self.winners(work)):
                continue
            # Some names have a comma in them.
            who = "; ".join(self.titles[server] for server in best)
            figures = [self.ratio(work, server) for server in (best[0], *ours)]
            rows.append([title, who, *map(cell, figures)])
        return Sheet(
            f"Who does it best, and whose spread overlaps (throughput: {BASE} = 1)",
            ["work", "best", "figure", *(self.titles[server] for server in ours)],
            rows,
            words=2,
        )

    def keep_alive(self) -> Sheet:
        rows = []
        for server, n in (*((IN_THE_LOOP, n) for n in MANY), (IN_C, 1)):
            if server not in self.titles:
                continue
            kept = self.m.rate(server, n)
            closed = self.m.rate(server, n, mode="close")
            figures = map(cell, (kept, closed, kept / closed))
            rows.append([self.titles[server], _count(n), *figures])
        return Sheet(
            "Connections kept and closed: requests a second, both asked for by "
            f"{self._asked_by(MANY)}",
            ["server", "connections", "keep-alive", "close", "ratio"],
            rows,
        )

    def processes(self) -> Sheet:
        rows = []
        for path, name in (("/", "the document"), (SPIN, "1 ms of computing")):
            one = self.m.rate(ONE_PROCESS, ACTIVE, path=path)
            two = self.m.rate(TWO_PROCESSES, ACTIVE, path=path)
            rows.append([name, *map(cell, (one, two, two / one))])
        return Sheet(
            "Processes, 100 connections: requests a second (the generator shares "
            "their two cores)",
            ["work", "one", "two", "ratio"],
            rows,
        )

    def conduct(self) -> Sheet:
        """What they do beside being quick: strictness, slow clients, the end."""
        found = [c for c in self.m.record.conduct if any(_conduct_cells(c))]
        rows = [
            [self._title(c.server), *(text or "–" for text in _conduct_cells(c))]
            for c in found
        ]
        return Sheet(
            "Malformed requests refused, well-formed ones accepted; seconds until a "
            "slow client is cut off; how many of the requests that had come are "
            "answered at SIGTERM. With the limits that each server comes with",
            ["server", *CONDUCT],
            rows,
        )

    def servers(self) -> Sheet:
        """What was compared: versions and settings."""
        ours = f"this commit, {(self.m.record.commit or 'unknown')[:10]}"
        return Sheet(
            "What was compared: each serves with one process on one core, except where "
            "its settings say otherwise",
            ["server", "version", "settings"],
            [
                [
                    for_a_list(c.title),
                    ", ".join(f"{name} {v}" for name, v in c.versions.items()) or ours,
                    c.settings,
                ]
                for c in self.m.record.contestants
            ],
            words=3,
        )

    def failures(self) -> Sheet:
        """What a server could not do, and where requests failed, with the reason."""
        rows = []
        for point in self.m.record.points:
            errors = Counter[str]()
            for repeat in point.repeats:
                errors.update(repeat.errors)
            why = point.skipped or ", ".join(
                f"{_count(n)} × {kind}" for kind, n in sorted(errors.items())
            )
            if why:
                rows.append([self._title(point.server), _work(point), why])
        for conduct in self.m.record.conduct:
            if conduct.skipped:
                why = conduct.skipped
                rows.append([self._title(conduct.server), "its conduct", why])
        return Sheet("Not measured, or with errors", ["server", "work", "why"], rows, 3)

    def _title(self, server: str) -> str:
        found = [
            for_a_list(c.title) for c in self.m.record.contestants if c.name == server
        ]
        return found[0] if found else server

    def _sheet(
        self,
        title: str,
        works: Sequence[Work],
        figure: Callable[[Work, str], Quantity],
    ) -> Sheet:
        rows = []
        marks = {work: self._marks(work) for work in works}
        for server, name in self.titles.items():
            cells = [
                cell(figure(work, server)) + marks[work].get(server, "")
                for work in works
            ]
            if any(each != "–" for each in cells):
                rows.append([name, *cells])
        header = ["server", *(work.title for work in works)]
        return Sheet(f"{title} ({LEGEND})", header, rows)

    def _marks(self, work: Work) -> dict[str, str]:
        """What stands behind the figures of those that are the best at it, or do not
        differ from the best."""
        found = {server: work.ask(self.m, server) for server in self.winners(work)}
        best = next(iter(found.values())).median if found else 0.0
        return {
            server: f" {BEST if q.median == best else NOT_DIFFERENT}"
            for server, q in found.items()
        }


SHEETS: dict[str, Callable[[Versus], Sheet]] = {
    "ratios": Versus.ratios,
    "rates": Versus.rates,
    "costs": Versus.costs,
    "winners": Versus.won,
    "keep-alive": Versus.keep_alive,
    "processes": Versus.processes,
    "conduct": Versus.conduct,
    "servers": Versus.servers,
    "failures": Versus.failures,
}


def _conduct_cells(conduct: Conduct) -> list[str]:
    """Beside the server's name; what was not measured is empty."""
    strict, slow, drain = conduct.strictness, conduct.slow_clients, conduct.drain

    cut_off = ["", "", ""]
    if slow is not None:
        ends = (slow.half_head_s, slow.trickled_head_s, slow.half_body_s)
        never = f"> {slow.watched_s:.0f}"
        cut_off = [never if end is None else f"{end:.0f}" for end in ends]
    return [
        f"{strict.refused} of {strict.must_refuse}" if strict else "",
        f"{strict.accepted} of {strict.must_accept}" if strict else "",
        *cut_off,
        f"{100 * drain.answered / drain.sent:.0f}{THIN_SPACE}%" if drain else "",
    ]


def _work(point: Point) -> str:
    words = [point.mode, _count(point.connections)]
    if point.silent:
        words.append(f"{_count(point.silent)} silent")
    if point.headers != "plain":
        words.append("a browser’s headers")
    if point.path != "/":
        words.append(point.path)
    return ", ".join(words)


def cell(quantity: Quantity) -> str:
    if quantity.is_missing:
        return "–"
    if quantity.unit == "bytes":
        # To compare them, all in one unit.
        return _count(round(quantity.median))
    if quantity.unit == "%":
        return f"{quantity.median:.1f}{THIN_SPACE}%"
    return str(quantity)


def _is_apart(name: str) -> bool:
    return name in (ONE_PROCESS, TWO_PROCESSES)
