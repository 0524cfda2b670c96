"""Claims: the measurable sentences of the chapters, checked against a record.

A chapter's ``claims.py`` holds small functions over a measurement::

    from lab.record.claims import Verdict, at_most, claim
    from lab.record.measurement import Measurement

    @claim("Keep-alive with 100 connections reaches at most a fifth of step 02.")
    def a_fifth(m: Measurement) -> Verdict:
        return at_most(m.rate("step03", 100) / m.rate("step02", 100), 1 / 5)

A claim is a shape (a ratio, an order, a bound), so that it can hold on machines other
than the one it was written on. It has four outcomes:

- it **holds** when the whole interval of the measured quantity satisfies the bound;
- it is **broken** when no part of that interval does;
- it is **not measured here** where the record has nothing to say on it, and names the
  command that decides it;
- it is **undecided** otherwise, and says why: spreads that overlap the bound, a point
  that was measured only once, a generator that was the limit (a rate is then
  only a lower bound, so it can still be at least something, and never at most), or an
  operating system that the claim is not about.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.paths import BOOK, READER, ROOT, short_path
from lab.record.doubts import doubts
from lab.record.measurement import Measurement
from lab.record.model import Record, RecordError
from lab.record.quantity import EXACT, Quantity

CHAPTERS = ROOT / "chapters"
#: The commands that measure what the tour leaves out.
MEASURE = "python -m lab measure"
COMPARE = "python -m lab compare"
PYTHONS = "python -m lab measure --python PYTHON"
CLOSER = "python -m lab closer"


class Outcome(StrEnum):
    HOLDS = "holds"
    BROKEN = "broken"
    UNDECIDED = "undecided"
    #: It is no doubt where nobody has looked.
    NEEDS_MORE = "not measured here"


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    #: One line: the measured value against the bound, and any doubt.
    reason: str
    #: What the claim is about, as measured.
    measured: Quantity | None = None


def at_least(measured: Quantity, bound: Quantity | float) -> Verdict:
    return _decide(measured, "at least", bound)


def at_most(measured: Quantity, bound: Quantity | float) -> Verdict:
    return _decide(measured, "at most", bound)


def between(
    measured: Quantity, low: Quantity | float, high: Quantity | float
) -> Verdict:
    verdict = every(at_least(measured, low), at_most(measured, high))
    if verdict.outcome is Outcome.HOLDS:
        reason = f"{_value(measured)} is from {_bound(low)} to {_bound(high)}"
        return replace(verdict, reason=reason)
    return verdict


def every(*verdicts: Verdict) -> Verdict:
    """All of them: broken if one is, else not measured or undecided if one is, else it
    holds.

    The reason is the first one that decided; the measured value is that one's.
    """
    for outcome in (Outcome.BROKEN, Outcome.NEEDS_MORE, Outcome.UNDECIDED):
        for verdict in verdicts:
            if verdict.outcome is outcome:
                return verdict
    return replace(verdicts[0], reason="; ".join(v.reason for v in verdicts))


def _decide(
    measured: Quantity,
    relation: Literal["at least", "at most"],
    bound: Quantity | float,
) -> Verdict:
    if not isinstance(bound, Quantity):
        bound = Quantity.exactly(bound, measured.unit)
    if bound.unit != measured.unit:
        raise ValueError(
            f"a quantity in {measured.unit or 'no unit'} has no bound in "
            f"{bound.unit or 'no unit'}"
        )
    wanted = f"{relation} {_bound(bound)}"
    for quantity in (measured, bound):
        if quantity.is_missing:
            reason = f"{wanted}? {quantity.doubt}"
            return Verdict(Outcome.NEEDS_MORE, reason, measured)
        if quantity.repeats < 2:
            doubt = quantity.doubt or "measured once, so its spread is not known"
            return Verdict(Outcome.UNDECIDED, f"{wanted}? {doubt}", measured)
    if relation == "at least":
        holds = measured.low >= bound.high
        broken = measured.high < bound.low
    else:
        holds = measured.high <= bound.low
        broken = measured.low > bound.high
    value = _value(measured)
    if holds:
        return Verdict(Outcome.HOLDS, f"{value} is {wanted}", measured)
    if broken:
        return Verdict(Outcome.BROKEN, f"{value} is not {wanted}", measured)
    why = measured.doubt or bound.doubt or "the spread reaches over the bound"
    return Verdict(Outcome.UNDECIDED, f"{value}, {wanted}? {why}", measured)


def _value(measured: Quantity) -> str:
    """Such as "2 280 (2 250 to 2 310)"."""
    value = f"{measured:3}"
    spread = measured.spread()
    return value if value == spread else f"{value} ({spread})"


def _bound(bound: Quantity | float) -> str:
    """A given number as it was given, a measured one as it was measured."""
    if not isinstance(bound, Quantity):
        return f"{bound:g}"
    if bound.repeats < EXACT:
        return _value(bound)
    unit = bound.unit if bound.unit not in ("", "1/s") else ""
    return f"{bound.median:g} {unit}".rstrip()


# -- the claims of a chapter --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    name: str
    text: str
    function: Callable[[Measurement], Verdict]
    only_on: str | None
    #: The command that measures what it needs, and all that the record has otherwise.
    decided_by: str = MEASURE
    #: The chapter's folder, such as "03-timeout-and-rebuild".
    chapter: str = ""

    @property
    def id(self) -> str:
        """Such as "03.a_fifth"."""
        return f"{self.chapter.partition('-')[0]}.{self.name}"

    def check(self, measurement: Measurement) -> Verdict:
        machine = measurement.record.machine
        if self.only_on is not None and machine.system != self.only_on:
            reason = f"it is about {self.only_on}; this was measured on"
            return Verdict(Outcome.UNDECIDED, f"{reason} {machine.system}")
        verdict = self.function(measurement)
        if verdict.outcome is Outcome.NEEDS_MORE:
            reason = f"`{self.decided_by}` decides it: {verdict.reason}"
            return replace(verdict, reason=reason)
        if verdict.outcome is Outcome.BROKEN and machine.cores < 2:
            # The generator took its share of the only core: that moves every ratio.
            reason = f"{verdict.reason}; but server and generator shared one core"
            return replace(verdict, outcome=Outcome.UNDECIDED, reason=reason)
        return verdict


def claim(
    text: str,
    *,
    only_on: Literal["Linux", "Darwin"] | None = None,
    decided_by: str = MEASURE,
) -> Callable[[Callable[[Measurement], Verdict]], Claim]:
    """Make a claim of a function over a measurement; `text` is the sentence.

    only_on: the operating system that the sentence is about (delayed acknowledgements
    take 40 ms on Linux alone); on another it is undecided.
    decided_by: what to run where the record lacks what it needs.
    """

    def decorate(function: Callable[[Measurement], Verdict]) -> Claim:
        return Claim(function.__name__, text, function, only_on, decided_by)

    return decorate


def load_claims(chapter: str = "", chapters: Path | None = None) -> list[Claim]:
    """The claims of all chapters, or of those whose folder's name starts so.

    Chapters' names have dashes, so their claims are loaded by path.
    """
    found: list[Claim] = []
    for path in sorted((chapters or CHAPTERS).glob(f"{chapter}*/claims.py")):
        folder = path.parent.name
        spec = importlib.util.spec_from_file_location(f"claims of {folder}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += [
            replace(value, chapter=folder)
            for value in vars(module).values()
            if isinstance(value, Claim)
        ]
    return found


def check_claims(
    record: Record | Measurement, chapter: str = "", chapters: Path | None = None
) -> list[tuple[Claim, Verdict]]:
    measurement = Measurement(record) if isinstance(record, Record) else record
    return [(c, c.check(measurement)) for c in load_claims(chapter, chapters)]


# -- the command --------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab claims",
        description="Check what the chapters claim against a record: yours if `make` "
        "has measured one, else the book's. Exits with 1 if a claim is broken.",
    )
    parser.add_argument("chapter", nargs="?", default="", help="such as 03; all if not")
    parser.add_argument("--record", type=Path, help="a record, as JSON")
    arguments = parser.parse_args(argv)
    path = arguments.record or (READER if READER.exists() else BOOK)
    try:
        measurement = Measurement.load(path)
    except RecordError as error:
        print(error, file=sys.stderr)
        return 2
    results = check_claims(measurement, arguments.chapter)
    if not results:
        print(f"no claims in chapters/{arguments.chapter}*", file=sys.stderr)
        return 2
    _print(results, path, doubts(measurement.record))
    return int(any(verdict.outcome is Outcome.BROKEN for _, verdict in results))


_STYLES = {
    Outcome.HOLDS: "green",
    Outcome.BROKEN: "bold red",
    Outcome.UNDECIDED: "yellow",
    Outcome.NEEDS_MORE: "dim",
}


def _print(
    results: list[tuple[Claim, Verdict]], path: Path, doubted: Sequence[str]
) -> None:
    console = Console(highlight=False)
    chapter = None
    table = Table.grid(padding=(0, 2))
    for claim_, verdict in results:
        if claim_.chapter != chapter:
            chapter = claim_.chapter
            table.add_row()
            table.add_row("", Text(chapter, style="bold"))
        outcome = Text(verdict.outcome, style=_STYLES[verdict.outcome])
        table.add_row(outcome, Text(f"{claim_.id}: {claim_.text}"))
        table.add_row("", Text(verdict.reason, style="dim"))
    console.print(table)
    counts = [
        f"{sum(v.outcome is outcome for _, v in results)} {word}"
        for outcome, word in (
            (Outcome.HOLDS, "hold"),
            (Outcome.BROKEN, "broken"),
            (Outcome.UNDECIDED, "undecided"),
            (Outcome.NEEDS_MORE, "not measured here"),
        )
    ]
    console.print(f"\n{', '.join(counts)} · {short_path(path)}", soft_wrap=True)
    for doubt in doubted:
        console.print(doubt, style="yellow", soft_wrap=True)
