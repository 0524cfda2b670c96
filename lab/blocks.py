"""What the expressions in the chapters' markers may call.

Numbers, in a line; from a record, or from the source:

    rate("step06", 100)                 requests a second with 100 connections: 2 280
    latency("step06", 100, "p99")       with its unit; without "p99" the median
    cpu, memory, switches, syscalls     likewise, of the server; the last two a request
    stat("step03", 100, "ebadf")        what the step counted (per_request: a request)
    still_open("step11", 10, silent=900)    how many of the silent ones were, at the end
    silent_bytes("step11"), silent_cpu  memory of one, CPU of all of them together
    constant("steps/step03/server.py", "SELECT_TIMEOUT_S")      also "Class.name"
    setting("idle_timeout")             the default of a flag of step 12
    lines("steps/step14", "steps/app.py")   of code, without comments and docstrings
    tough("drain", "answered")          what a proof saw (`python -m lab tough --show`)
    percent(rate(…) / rate(…))          arithmetic keeps spread, unit and doubt
    compare.rate("granian", 100)        of the comparison with peers; also latency, cpu,
                                        memory, syscalls, silent_bytes, silent_cpu

All of a server with so many connections take mode=, silent=, manner=, headers=, path=
and generator= (see `Measurement` in lab/record.py). A step's flags stand in its name:
rate("step10 --workers 0", 100).

Blocks, between markers on lines of their own:

    table("rates", ["step02", "step03"])        also "latency", "cpu", "memory", …;
                                                connections=[1, 100], percentile="p99"
    table("syscalls", ["step06", "step07"])     for each request, by name
    table("silent", ["step07", "step08"])       with and without silent connections,
                                                or with manner="unread" or "half"
    table("stats", ["step03"], names=["ebadf"]) what the step counted for each request
    compare_table("ratios")                     of the comparison with peers, also
                                                "rates", "costs", "winners", "servers",
                                                "failures", "keep-alive", "processes"
    tough_table("drain", "soak")                of `python -m lab tough`; all, if none
                                                is named
    figure("throughput", […], caption="…")      see FIGURES in lab/figures.py
    timeline("step06")                          docs/measurements/traces/step06.json
    code("steps/step03/server.py", "rebuild")   from `# [rebuild]` to `# [/rebuild]`
    diff("step03")                              the whole difference to earlier steps
    transcript("probe")                         docs/transcripts/03-probe.txt, in 03
    hints()                                     the chapter's hints.md, each folded
    source("solution.py")                       a whole file of the chapter
    claims("03"), points(), machine()           for the page with all results

And in a line, at the end of a sentence that is one: claim("a_fifth"), in another
chapter claim("03.a_fifth").

Links in what is drawn are written as they are right in the repository.
"""

from __future__ import annotations

import difflib
import html
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from lab import figures
from lab.book import NOT_YET, BookError, Drawn, Sources, log
from lab.claims import Claim, Outcome, Verdict, load_claims
from lab.drawing import Figure, inline_figure, standalone_svg
from lab.listing import (
    adds_to,
    constant,
    earlier_file,
    fenced,
    lines_of_code,
    marked,
    read_source,
    step_files,
    without_markers,
)
from lab.proofs import record as toughness
from lab.quantity import THIN_SPACE, Quantity
from lab.record import (
    ROOT,
    Generator,
    Headers,
    Manner,
    Measurement,
    Mode,
    Point,
    Record,
)
from lab.tables import Row, Table, cell
from lab.versus import SHEETS, Versus
from steps.step12.settings import Settings
from workshop.hints import of as hints_of

TRANSCRIPTS = ROOT / "docs" / "transcripts"
TRACES = ROOT / "docs" / "measurements" / "traces"
TOUGHNESS = toughness.RECORD.relative_to(ROOT)

#: A system call that is made less often, for each request, has no column of its own.
RARE_CALLS = 0.05

_SIGNS = {
    Outcome.HOLDS: "✓ holds",
    Outcome.BROKEN: "✗ broken",
    Outcome.UNDECIDED: "? undecided",
}


def functions_for(
    page: Path, sources: Sources, root: Path = ROOT
) -> Callable[[Measurement | None], Mapping[str, Any]]:
    """The functions for a page, once a measurement is chosen for its numbers."""
    blocks = Blocks(page, sources, root)

    def bound(measurement: Measurement | None) -> Mapping[str, Any]:
        return _numbers(measurement, root) | blocks.functions()

    return bound


# -- numbers ------------------------------------------------------------------


def _numbers(m: Measurement | None, root: Path) -> dict[str, Any]:
    def asked(method: Callable[..., Quantity]) -> Callable[..., Quantity]:
        def ask(*args: Any, **options: Any) -> Quantity:
            if m is None:
                return Quantity.missing("", NOT_YET)
            return method(m, *args, **options)

        return ask

    def latency(
        m: Measurement, server: str, connections: int, percentile: str = "p50", **o: Any
    ) -> Quantity:
        return m.latency(server, connections, percentile=percentile, **o)

    def per_request(m: Measurement, *args: Any, **options: Any) -> Quantity:
        return m.stat(*args, per_request=True, **options)

    def beside(method: Callable[..., Quantity]) -> Callable[..., Quantity]:
        return asked(lambda m, *args, **options: method(m.compare, *args, **options))

    compare = {
        "rate": beside(Measurement.rate),
        "latency": beside(latency),
        "cpu": beside(Measurement.cpu),
        "memory": beside(Measurement.memory),
        "syscalls": beside(Measurement.syscalls),
        "silent_bytes": beside(Measurement.silent_bytes),
        "silent_cpu": beside(Measurement.silent_cpu),
    }
    return {
        "compare": SimpleNamespace(**compare),
        "rate": asked(Measurement.rate),
        "latency": asked(latency),
        "cpu": asked(Measurement.cpu),
        "memory": asked(Measurement.memory),
        "switches": asked(Measurement.switches),
        "still_open": asked(Measurement.still_open),
        "silent_bytes": asked(Measurement.silent_bytes),
        "silent_cpu": asked(Measurement.silent_cpu),
        "syscalls": asked(Measurement.syscalls),
        "stat": asked(Measurement.stat),
        "per_request": asked(per_request),
        "percent": lambda q: replace(100 * q, unit="%"),
        "tough": lambda proof, fact: _seen(root, proof, fact),
        "constant": lambda path, name: constant(root / path, name),
        "setting": _setting,
        "lines": lambda *paths: sum(lines_of_code(root / path) for path in paths),
    }


def _setting(name: str) -> str:
    """The default of a flag, such as "10" or "1 000 000"."""
    default = getattr(Settings(), name)
    return f"{default:,.15g}".replace(",", THIN_SPACE)


def _seen(root: Path, proof: str, fact: str) -> Quantity | str:
    seen = toughness.load(root / TOUGHNESS).proofs.get(proof)
    if seen is None:
        return Quantity.missing("", NOT_YET)
    if fact not in seen.facts:
        raise BookError(f"{proof} saw no {fact!r}: {', '.join(seen.facts)}")
    return toughness.in_words(seen.facts[fact])


# -- blocks -------------------------------------------------------------------


@dataclass
class Blocks:
    """The functions that draw, for one page."""

    page: Path
    sources: Sources
    root: Path = ROOT

    def functions(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "compare_table": self.compare_table,
            "tough_table": self.tough_table,
            "points": self.points,
            "machine": self.machine,
            "figure": self.figure,
            "timeline": self.timeline,
            "code": self.code,
            "diff": self.diff,
            "transcript": self.transcript,
            "hints": self.hints,
            "source": self.source,
            "claim": self.claim,
            "claims": self.claims,
        }

    def _link(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.page.parent)).as_posix()

    # tables

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
            return _placeholder(f"The table “{measure}” is {NOT_YET}.")
        if measure == "silent":
            counts = figures.measured_silent(book, servers, **options)
            return self._silent_table(servers, connections, counts, **options)
        columns = connections or figures.measured_connections(book, servers)
        if measure == "stats":
            return self._stats_table(servers, names, columns, **options)
        if measure == "syscalls":
            return self._syscalls_table(book, servers, *(connections or [100]))
        asked = figures.MEASURES.get(measure)
        if asked is None:
            raise BookError(f"no measure {measure!r}: {', '.join(figures.MEASURES)}")

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
                figures.title(server): [partial(ask, server, n) for n in columns]
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
            for whose, m in self._both()
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
            name: m.generator_of(servers, columns, **options)
            for name, m in self._both()
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
            return figures.rate_beside(
                m, server, n, silent=silent, manner=manner, generator=by
            )

        def left(server: str, n: int, m: Measurement) -> Quantity:
            return rate(server, n, most, m) / rate(server, n, 0, m)

        beside = figures.BESIDE[manner]
        return self._drawn_table(
            ["server", *(f"{s} {beside.each}" for s in counts), "what is left"],
            {
                f"{figures.title(server)}, {n} active": [
                    *(partial(rate, server, n, silent) for silent in counts),
                    partial(left, server, n),
                ]
                for server in servers
                for n in active
            },
            f"Requests a second beside {beside.all}"
            + self._measured_by(servers, active, silent=most, manner=manner),
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
                f"{_in_words(name)}, {figures.title(server)}": [
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
                figures.title(server): [
                    partial(ask, server, name) for name in (None, *names)
                ]
                for server in servers
            },
            f"System calls for each request, {connections} connections",
        )

    def _both(self) -> list[tuple[str, Measurement]]:
        both = (("book", self.sources.book), ("yours", self.sources.mine))
        return [(name, m) for name, m in both if m is not None]

    def compare_table(self, name: str) -> Drawn:
        """One of the comparison's tables, the book's and then the reader's."""
        build = SHEETS.get(name)
        if build is None:
            raise BookError(f"no table {name!r}: {', '.join(SHEETS)}")
        sheets = [
            (whose, build(Versus(m.compare)))
            for whose, m in self._both()
            if m.compare.record.contestants
        ]
        if not sheets or sheets[0][0] != "book":
            return _placeholder(f"The comparison’s table “{name}” is {NOT_YET}.")
        sheet = sheets[0][1]
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
        proofs = toughness.load(self.root / TOUGHNESS).proofs
        rows = [
            Row(name, (seen.did, seen.said, seen.verdict))
            for name in names or proofs
            if (seen := proofs.get(name))
        ]
        if not rows or len(rows) < len(names):
            return _placeholder(f"The table of toughness is {NOT_YET}.")
        header = ["proof", "what was done", "what was seen", ""]
        return Table(header, rows, "Attempts to break step 12", words=4).drawn()

    def points(self) -> Drawn:
        """Every point of the records, each with its median and spread."""
        if self.sources.book is None:
            return _placeholder(f"The results are {NOT_YET}.")
        header = [
            "server", "clients", "load", "requests a second", "spread",
            "median latency", "99 %", "CPU",
        ]  # fmt: skip
        rows = []
        seen = dict.fromkeys(
            _load_of(point)
            for _, m in self._both()
            for point in m.record.points
            if point.rate is None
        )
        for load in seen:
            found = [_point_row(load, name, m) for name, m in self._both()]
            rows += [row for row in found if row]
        return Table(header, rows, "every measured point").drawn()

    def machine(self) -> Drawn:
        """Where the two records were measured."""
        both = self._both()
        if self.sources.book is None:
            return _placeholder(f"The book's machine: {NOT_YET}.")
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
        link = self._link(self.root / "docs" / "measurements" / "book.json")
        record = f"\n\n[The book's record, as JSON]({link})"
        return Drawn(
            repository=lambda: book.markdown() + record,
            site=lambda: full.html() + record,
        )

    # figures

    def figure(self, name: str, *args: Any, caption: str = "", **options: Any) -> Drawn:
        if self.sources.book is None:
            return _placeholder(f"The figure “{name}” is {NOT_YET}.")
        draw = figures.FIGURES.get(name)
        if draw is None:
            raise BookError(f"no figure {name!r}: {', '.join(sorted(figures.FIGURES))}")
        book = draw(Sources(self.sources.book), *args, **options)
        both = book
        if self.sources.mine is not None:
            both = draw(self.sources, *args, **options)
        return self._drawn_figure(
            replace(book, caption=caption or book.caption),
            replace(both, caption=caption or both.caption),
        )

    def timeline(self, step: str, name: str = "", caption: str = "") -> Drawn:
        stem = f"{step}-{name}" if name else step
        path = self.root / TRACES.relative_to(ROOT) / f"{stem}.json"
        if not path.exists():
            return self._not_recorded(path)
        trace = json.loads(path.read_text(encoding="utf-8"))
        drawn = figures.timeline(f"timeline-{stem}", trace)
        drawn = replace(drawn, caption=caption or drawn.caption)
        return self._drawn_figure(drawn, drawn)

    def _drawn_figure(self, book: Figure, both: Figure) -> Drawn:
        """book: for the repository. both: for the site, with what is the reader's."""

        def table(figure: Figure) -> Table:
            rows = [Row(first, rest) for first, *rest in figure.rows]
            return Table(figure.header, rows, figure.title)

        def repository() -> str:
            link = self._link(self.root / "docs" / "figures" / book.name)
            alt = html.escape(book.title)
            said = "\n".join(f"- {note}." for note in book.notes)
            return "\n".join(
                [
                    "<picture>",
                    f'<source media="(prefers-color-scheme: dark)" '
                    f'srcset="{link}-dark.svg">',
                    f'<img alt="{alt}" src="{link}-light.svg">',
                    "</picture>",
                    "",
                    f"*{book.caption}*",
                    "",
                    "<details>",
                    "<summary>The figure in numbers</summary>",
                    "",
                    said or table(book).markdown(),
                    "",
                    "</details>",
                ]
            )

        def file(scheme: str) -> Callable[[], str]:
            return lambda: standalone_svg(book, scheme)

        return Drawn(
            repository=repository,
            site=lambda: inline_figure(both, table(both).html()),
            html=True,
            files={
                f"docs/figures/{book.name}-{scheme}.svg": file(scheme)
                for scheme in ("light", "dark")
            },
            stamp=book.stamp(),
        )

    # code

    def code(self, path: str, marker: str) -> Drawn:
        found = marked(read_source(self.root / path), marker, path)
        language = {".py": "python", ".lua": "lua"}.get(Path(path).suffix, "text")
        link = self._link(self.root / path)
        return Drawn(
            repository=lambda: (
                fenced(found, language) + f"\n\n<sub>[{path}]({link})</sub>"
            ),
            site=lambda: fenced(found, f'{language} title="{path}"'),
        )

    def diff(self, step: str) -> Drawn:
        """The whole difference of a step to what was there before, file by file."""
        files = step_files(self.root / "steps" / step)
        if not files:
            raise BookError(f"no files in steps/{step}")

        def whole(new_files: bool) -> str:
            parts = [self._change(path, new_files=new_files) for path in files]
            return "\n\n".join(
                [
                    '<details markdown="1" class="difference">\n'
                    f"<summary>The whole difference that {step} makes</summary>",
                    *parts,
                    "</details>",
                ]
            )

        return Drawn(
            repository=lambda: whole(new_files=False),
            site=lambda: whole(new_files=True),
        )

    def _change(self, path: Path, *, new_files: bool) -> str:
        """What is different about one file. new_files: show new ones whole."""
        link = self._link_to_source(path)
        new = without_markers(read_source(path))
        earlier = earlier_file(path)
        if earlier is None:
            said = f"{link} is new."
            language = "python" if path.suffix == ".py" else "text"
            return f"{said}\n\n{fenced(new, language)}" if new_files else said
        if adds_to(path, earlier):
            said = f"{link} adds to {self._link_to_source(earlier)}:"
            return f"{said}\n\n{fenced(new, 'python')}"
        lines = difflib.unified_diff(
            without_markers(read_source(earlier)).splitlines(),
            new.splitlines(),
            earlier.relative_to(self.root).as_posix(),
            path.relative_to(self.root).as_posix(),
            lineterm="",
        )
        said = f"{link} against {self._link_to_source(earlier)}:"
        return f"{said}\n\n{fenced(chr(10).join(lines), 'diff')}"

    def _link_to_source(self, path: Path) -> str:
        return f"[`{path.relative_to(self.root).as_posix()}`]({self._link(path)})"

    def transcript(self, name: str) -> Drawn:
        """What a command printed, as `python -m lab transcripts` recorded it."""
        if not name[:1].isdigit():
            name = f"{self._chapter()}-{name}"
        path = self.root / TRANSCRIPTS.relative_to(ROOT) / f"{name}.txt"
        if not path.exists():
            return self._not_recorded(path)
        text = fenced(read_source(path).strip("\n"), "console")
        return Drawn(repository=lambda: text, site=lambda: text)

    def hints(self) -> Drawn:
        """Each hint of the chapter, to be opened by itself."""
        hints = hints_of(self.page.parent)
        if not hints:
            return self._not_recorded(self.page.parent / "hints.md")
        text = "\n\n".join(
            f'<details markdown="1">\n<summary>Hint {number}</summary>\n\n{hint}\n\n'
            "</details>"
            for number, hint in enumerate(hints, 1)
        )
        return Drawn(repository=lambda: text, site=lambda: text)

    def source(self, name: str) -> Drawn:
        """A whole file beside the page."""
        path = self.page.parent / name
        text = fenced(read_source(path).rstrip("\n"), "python")
        title = path.relative_to(self.root).as_posix()
        return Drawn(
            repository=lambda: text,
            site=lambda: text.replace("python", f'python title="{title}"', 1),
        )

    def _chapter(self) -> str:
        return self.page.parent.name.partition("-")[0]

    def _not_recorded(self, path: Path) -> Drawn:
        """A page can be read before all of it was recorded, but not published."""
        missing = path.relative_to(self.root)
        log.warning("%s: %s is missing", self.page.relative_to(self.root), missing)
        return _placeholder(f"{missing} is not recorded yet.")

    # claims

    def claim(self, name: str) -> Drawn:
        """The outcome of one claim, beside the sentence that makes it."""
        if "." not in name:
            name = f"{self._chapter()}.{name}"
        found = [c for c in all_claims(self.root) if c.id == name]
        if not found:
            raise BookError(f"no claim {name!r} in chapters/*/claims.py")
        link = self._link(self.root / "docs" / "results.md") + f"#{anchor(found[0])}"

        def badge(who: str, m: Measurement | None, *, on_site: bool) -> str:
            if m is None:
                sign, kind, reason = f"? {NOT_YET}", "undecided", NOT_YET
            else:
                verdict = found[0].check(m)
                sign, kind = _SIGNS[verdict.outcome], verdict.outcome.value
                reason = verdict.reason
            if not on_site:
                return f"[{sign}]({link})"
            reason = html.escape(reason)
            return f'[{who}{sign}]({link}){{ .claim .{kind} title="{reason}" }}'

        def site() -> str:
            text = badge("", self.sources.book, on_site=True)
            if self.sources.mine is not None:
                text += " " + badge("yours: ", self.sources.mine, on_site=True)
            return text

        return Drawn(
            repository=lambda: badge("", self.sources.book, on_site=False),
            site=site,
            inline=True,
        )

    def claims(self, chapter: str = "") -> Drawn:
        """The claims of a chapter, or of all, with the outcome in either record."""
        found = [c for c in all_claims(self.root) if c.chapter.startswith(chapter)]
        if not found:
            return _placeholder("No claims yet.")
        both = self._both()

        def said(verdict: Verdict) -> str:
            return f"{_SIGNS[verdict.outcome]}: {verdict.reason}"

        def table(records: Sequence[tuple[str, Measurement]]) -> Table:
            who = {"book": "in the book's record", "yours": "in yours"}
            header = ["claim", *(who[name] for name, _ in records)]
            rows = [
                Row(
                    f"{c.id}: {c.text}",
                    [said(c.check(m)) for _, m in records],
                    anchor=anchor(c),
                )
                for c in found
            ]
            return Table(header, rows, "claims and their outcomes")

        return Drawn(
            repository=table(both[:1]).markdown,
            site=lambda: table(both).html().replace('"figures"', '"claims"'),
        )


def _placeholder(text: str) -> Drawn:
    return Drawn(repository=lambda: f"*{text}*", site=lambda: f"*{text}*")


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
    return Row("yours" if yours else figures.title(load.server), cells, yours)


def _machine_facts(record: Record) -> dict[str, str]:
    machine = record.machine
    pinned = bool(machine.server_cores and machine.generator_cores)
    facts = {
        "measured": record.created_utc[:10] + ("" if record.complete else ", in part"),
        "commit": (record.commit or "unknown")[:10]
        + (", with changes" if record.dirty else ""),
        "system": f"{machine.system} {machine.release}, {machine.arch}",
        "processor": machine.cpu_model,
        "cores": f"{machine.cores}, "
        + ("server and generator on their own" if pinned else "shared"),
        "Python": f"{machine.implementation} {machine.python}",
        "descriptors a process": str(machine.descriptor_limit),
    }
    return facts | machine.kernel | machine.tools


@cache
def all_claims(root: Path) -> list[Claim]:
    return load_claims(chapters=root / "chapters")


def anchor(claim: Claim) -> str:
    return f"claim-{claim.id.replace('.', '-')}"
