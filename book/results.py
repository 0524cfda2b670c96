"""Tables of what was measured: a row a server, the reader's under the book's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from book import measures
from book.block import Block
from book.drawn import NOT_YET, BookError, Drawn, log, placeholder
from book.tables import Row, Table, cell
from lab.load.kinds import Headers, Manner
from lab.paths import TOUGHNESS
from lab.record.doubts import ONE_CORE, disturbed_runs
from lab.record.measurement import Measurement
from lab.record.model import Generator, Mode, Point, Record
from lab.record.quantity import THIN_SPACE, Quantity
from lab.record.versus import SHEETS, Versus
from lab.tough import record as toughness

#: A system call that is made less often, for each request, has no column of its own.
RARE_CALLS = 0.05


class Results(Block):
    """The tables of a page."""

    def table(
        self,
        measure: str,
        servers: Sequence[str],
        connections: Sequence[int] | None = None,
        names: Sequence[str] = (),
        **options: Any,
    ) -> Drawn:
        """The medians of a measure, a row for each server."""
        book = self.sources.book
        if book is None:
            return placeholder(f"The table “{measure}” is {NOT_YET}.")
        if measure == "silent":
            counts = measures.measured_silent(book, servers, **options)
            return self._silent_table(servers, connections, counts, **options)
        if measure == "closer":
            return self._closer_table(servers, *(connections or [100]))
        columns = connections or measures.measured_connections(book, servers)
        if measure == "stats":
            return self._stats_table(servers, names, columns, **options)
        if measure == "syscalls":
            return self._syscalls_table(book, servers, *(connections or [100]))
        asked = measures.MEASURES.get(measure)
        if asked is None:
            raise BookError(f"no measure {measure!r}: {', '.join(measures.MEASURES)}")

        def ask(server: str, n: int, m: Measurement) -> Quantity:
            # Side by side stands what one generator measured.
            by = {"generator": m.generator_of(servers, columns, **options), **options}
            return asked.ask(m, server, n, **by)

        caption = asked.title[0].upper() + asked.title[1:]
        if "percentile" in options:
            caption += f", {options['percentile']}"
        if measure in ("rates", "latency"):
            caption += self._measured_by(servers, columns, **options)
        return self._drawn_table(
            _connections(columns),
            {
                measures.title(server): [partial(ask, server, n) for n in columns]
                for server in servers
            },
            caption,
        )

    def _drawn_table(
        self,
        header: Sequence[str],
        questions: Mapping[str, Sequence[Callable[[Measurement], Quantity]]],
        caption: str,
    ) -> Drawn:
        """A row for each name, the reader's under the book's, where there is anything.

        questions: for each name one for each column but the first.
        """
        answers = [
            (name, whose, [ask(m) for ask in asked])
            for name, asked in questions.items()
            for whose, m in self.both()
        ]
        measured = [
            n
            for n in range(len(header) - 1)
            if not all(found[n].is_missing for _, _, found in answers)
        ]
        if not measured:
            page = self.page.relative_to(self.root)
            log.warning("%s: nothing was measured of: %s", page, caption)
        rows = []
        for name, whose, found in answers:
            yours = whose == "yours"
            if yours and all(quantity.is_missing for quantity in found):
                continue
            cells = [cell(found[n]) for n in measured]
            rows.append(Row("yours" if yours else name, cells, yours))
        header = [header[0], *(header[n + 1] for n in measured)]
        return Table(header, rows, caption, caption).drawn()

    def _measured_by(
        self, servers: Sequence[str], columns: Sequence[int], **options: Any
    ) -> str:
        words = {"wrk": "wrk", "lab": "the embedded generator"}
        by = {
            name: m.generator_of(servers, columns, **options) for name, m in self.both()
        }
        said = f", measured with {words[by['book']]}"
        if by.get("yours", by["book"]) != by["book"]:
            said += f"; yours with {words[by['yours']]}"
        return said

    def _silent_table(
        self,
        servers: Sequence[str],
        active: Sequence[int] | None,
        counts: Sequence[int],
        manner: Manner = "silent",
    ) -> Drawn:
        active = active or (10, 100)
        most = counts[-1]

        def rate(server: str, n: int, silent: int, m: Measurement) -> Quantity:
            by = m.generator_of(servers, active, silent=most, manner=manner)
            return measures.rate_beside(
                m, server, n, silent=silent, manner=manner, generator=by
            )

        def left(server: str, n: int, m: Measurement) -> Quantity:
            return rate(server, n, most, m) / rate(server, n, 0, m)

        beside = measures.BESIDE[manner]
        return self._drawn_table(
            ["server", *(f"{s} {beside.each}" for s in counts), "what is left"],
            {
                f"{measures.title(server)}, {n} active": [
                    *(partial(rate, server, n, silent) for silent in counts),
                    partial(left, server, n),
                ]
                for server in servers
                for n in active
            },
            f"Requests a second beside {beside.all}"
            + self._measured_by(servers, active, silent=most, manner=manner),
        )

    def _closer_table(self, servers: Sequence[str], connections: int) -> Drawn:
        """What `python -m lab closer` measured of them in one run."""

        def by(m: Measurement) -> Generator:
            return m.closer.generator_of(servers, [connections])

        def rate(server: str, m: Measurement) -> Quantity:
            return m.closer.rate(server, connections, generator=by(m))

        def latency(server: str, m: Measurement) -> Quantity:
            return m.closer.latency(server, connections, generator=by(m))

        def switches(server: str, m: Measurement) -> Quantity:
            return m.closer.switches(server, connections, generator=by(m))

        words = {"wrk": "wrk", "lab": "the embedded generator"}
        measured_by = [f"{words[by(m)]}" for _, m in self.both()]
        caption = f"{connections} connections, measured with {measured_by[0]}"
        if len(set(measured_by)) > 1:
            caption += f"; yours with {measured_by[1]}"
        return self._drawn_table(
            ["server", "requests a second", "latency", "switches a request"],
            {
                measures.title(server): [
                    partial(ask, server) for ask in (rate, latency, switches)
                ]
                for server in servers
            },
            caption,
        )

    def _stats_table(
        self,
        servers: Sequence[str],
        names: Sequence[str],
        columns: Sequence[int],
        **options: Any,
    ) -> Drawn:
        def ask(server: str, n: int, name: str, m: Measurement) -> Quantity:
            return m.stat(server, n, name, per_request=True, **options)

        return self._drawn_table(
            _connections(columns),
            {
                f"{_in_words(name)}, {measures.title(server)}": [
                    partial(ask, server, n, name) for n in columns
                ]
                for server in servers
                for name in names
            },
            "What the server counted, for each request",
        )

    def _syscalls_table(
        self, book: Measurement, servers: Sequence[str], connections: int
    ) -> Drawn:
        """System calls for each request, by name, the most frequent ones first."""
        counted: dict[str, float] = {}
        for point in book.record.points:
            if point.server in servers and point.connections == connections:
                for name, calls in (point.syscalls_per_request or {}).items():
                    counted[name] = max(calls, counted.get(name, 0))
        names = sorted(counted, key=lambda name: -counted[name])
        names = [name for name in names if counted[name] >= RARE_CALLS]

        def ask(server: str, name: str | None, m: Measurement) -> Quantity:
            return m.syscalls(server, connections, name)

        return self._drawn_table(
            ["server", "all", *names],
            {
                measures.title(server): [
                    partial(ask, server, name) for name in (None, *names)
                ]
                for server in servers
            },
            f"System calls for each request, {connections} connections",
        )

    def compare_table(self, name: str) -> Drawn:
        """One of the comparison's tables, the book's and then the reader's."""
        build = SHEETS.get(name)
        if build is None:
            raise BookError(f"no table {name!r}: {', '.join(SHEETS)}")
        sheets = [
            (whose, build(Versus(m.compare)))
            for whose, m in self.both()
            if m.compare.record.contestants
        ]
        if not sheets or sheets[0][0] != "book":
            return placeholder(f"The comparison’s table “{name}” is {NOT_YET}.")
        sheet = sheets[0][1]
        if name == "conduct" and not sheet.rows:  # an older record has none
            return placeholder(f"What else the servers do is {NOT_YET}.")
        rows = [Row(head, cells) for head, *cells in sheet.rows]
        for _, mine in sheets[1:]:
            # Side by side by their first column; versions may differ as well.
            found = {head: cells for head, *cells in mine.rows}
            rows = [
                each
                for row in rows
                for each in (row, Row("yours", found.get(row.head, ()), yours=True))
                if each.cells
            ]
        return Table(sheet.header, rows, sheet.title, sheet.title, sheet.words).drawn()

    def tough_table(self, *names: str) -> Drawn:
        """What was done to step 12, and what was seen."""
        proofs = toughness.load(self.in_root(TOUGHNESS)).proofs
        rows = [
            Row(name, (seen.did, seen.said, seen.verdict))
            for name in names or proofs
            if (seen := proofs.get(name))
        ]
        if not rows or len(rows) < len(names):
            return placeholder(f"The table of toughness is {NOT_YET}.")
        header = ["proof", "what was done", "what was seen", ""]
        return Table(header, rows, "Attempts to break step 12", words=4).drawn()

    def points(self) -> Drawn:
        """Every point of the records, each with its median and spread."""
        if self.sources.book is None:
            return placeholder(f"The results are {NOT_YET}.")
        header = [
            "server", "clients", "load", "requests a second", "spread",
            "median latency", "99 %", "CPU",
        ]  # fmt: skip
        rows = []
        seen = dict.fromkeys(
            _load_of(point)
            for _, m in self.both()
            for point in m.record.points
            if point.rate is None
        )
        for load in seen:
            found = [_point_row(load, name, m) for name, m in self.both()]
            rows += [row for row in found if row]
        return Table(header, rows, "every measured point").drawn()

    def machine(self) -> Drawn:
        """Where the two records were measured."""
        both = self.both()
        if self.sources.book is None:
            return placeholder(f"The book's machine: {NOT_YET}.")
        described = [_machine_facts(m.record) for _, m in both]
        names = list(dict.fromkeys(name for facts in described for name in facts))
        full = Table(
            ["", "the book's", "yours"][: 1 + len(both)],
            [Row(n, [facts.get(n, "–") for facts in described]) for n in names],
            "the machines",
        )
        facts = described[0]
        book = Table(
            ["", "the book's"], [Row(n, [v]) for n, v in facts.items()], "the machine"
        )
        link = self.link(self.root / "docs" / "measurements" / "book.json")
        record = f"\n\n[The book's record, as JSON]({link})"
        return Drawn(
            repository=lambda: book.markdown() + record,
            site=lambda: full.html() + record,
        )

    def records(self) -> Drawn:
        """Each of the book's records: when, where and on which Python it was made."""
        if self.sources.book is None:
            return placeholder(f"The book's records: {NOT_YET}.")
        records = self.sources.book.records
        where = {_machine_in_words(record) for record in records.values()}
        rows = ["| record, measured | with |", "|---|---|"]
        for name, record in records.items():
            link = self.link(self.root / "docs" / "measurements" / name)
            found = [*_pythons(record), *_compilers(record)]
            if len(where) > 1:
                found.append(_machine_in_words(record))
            date = record.created_utc[:10]
            rows.append(f"| [{name}]({link})<br>{date} | {'; '.join(found)} |")
        text = "\n".join(rows)
        if len(where) == 1:
            text += f"\n\nAll of them on one machine: {where.pop()}."
        return Drawn(repository=lambda: text, site=lambda: text)


def _machine_in_words(record: Record) -> str:
    machine = record.machine
    cores = "one core" if machine.cores == 1 else f"{machine.cores} cores"
    return f"{machine.system} {machine.release}, {machine.cpu_model}, {cores}"


def _pythons(record: Record) -> list[str]:
    """Those that ran the servers, or else the one that measured."""
    if not record.pythons:
        return [f"{record.machine.implementation} {record.machine.python}"]
    return [
        f"{python.implementation} {python.version} "
        f"{'with' if python.gil else 'without'} the GIL, built by {python.compiler}"
        for python in record.pythons
    ]


def _compilers(record: Record) -> list[str]:
    return sorted({c.versions["cc"] for c in record.contestants if "cc" in c.versions})


def _in_words(stat: str) -> str:
    return stat.removesuffix("_s").replace("_", " ")


def _connections(counts: Sequence[int]) -> list[str]:
    """The head of a table that has a column for each number of connections."""
    return ["connections", *(f"{n:,}".replace(",", THIN_SPACE) for n in counts)]


class _Load(NamedTuple):
    """What tells a point from others."""

    server: str
    connections: int
    mode: Mode
    silent: int
    manner: Manner
    headers: Headers
    path: str
    generator: Generator


def _load_of(point: Point) -> _Load:
    return _Load(*(getattr(point, name) for name in _Load._fields))


def _point_row(load: _Load, name: str, m: Measurement) -> Row | None:
    asked = load._asdict()
    rate = m.rate(**asked)
    yours = name == "yours"
    if yours and rate.is_missing:
        return None
    words = [load.mode, f"by {load.generator}"]
    if load.path != "/":
        words.insert(0, load.path)
    if load.silent:
        words.insert(0, f"{load.silent} {load.manner}")
    if load.headers != "plain":
        words.append("browser's headers")
    cells = [
        str(load.connections),
        ", ".join(words),
        cell(rate),
        "" if rate.is_missing else rate.spread(),
        cell(m.latency(**asked)),
        cell(m.latency(**asked, percentile="p99")),
        cell(m.cpu(**asked)),
    ]
    return Row("yours" if yours else measures.title(load.server), cells, yours)


def _machine_facts(record: Record) -> dict[str, str]:
    machine = record.machine
    pinned = bool(machine.server_cores and machine.generator_cores)
    where = "server and generator on their own" if pinned else "shared"
    disturbed, watched = disturbed_runs(record)
    runs = f"{disturbed} of {watched} runs" if watched else "not known"
    commit = "not known"
    if record.commit is not None:
        commit = record.commit[:10] + (", with changes" if record.dirty else "")
    facts = {
        "measured": record.created_utc[:10] + ("" if record.complete else ", in part"),
        "commit": commit,
        "system": f"{machine.system} {machine.release}, {machine.arch}",
        "processor": machine.cpu_model,
        "cores": ONE_CORE if machine.cores < 2 else f"{machine.cores}, {where}",
        "disturbed by others": runs,
        "Python": f"{machine.implementation} {machine.python}",
        "descriptors a process": str(machine.descriptor_limit),
    }
    return facts | machine.kernel | machine.tools
