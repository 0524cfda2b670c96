"""A record as tables in the terminal.

A figure that the generator limited is marked as the bound that it is, and two figures
whose spreads overlap are said not to differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.paths import BOOK, FREE_THREADED, READER, short_path
from lab.record.doubts import doubts
from lab.record.matrix import HEADERS, STEPS, is_step
from lab.record.measurement import Measurement, Where
from lab.record.model import Generator, Mode, Point, Record, RecordError, load_record
from lab.record.narrow import fitted, new_table
from lab.record.quantity import THIN_SPACE, Quantity
from lab.record.versus import SHEETS, Versus

TITLES = {
    "step01": "close after each",
    "step02": "four workers",
    "step03": "timeout, rebuild",
    "step04": "pipe, two threads",
    "step05": "detach, timeout",
    "step06": "pipe and detach",
    "step07": "one line",
    "step08": "register once",
    "step09": "never block",
    "step10": "workers again",
    "step11": "deadlines",
    "step12": "a server to keep",
    "step13": "any application",
    "step14": "every core",
    "step15": "on asyncio",
}
GENERATORS: dict[Generator, str] = {"lab": "embedded generator", "wrk": "wrk"}
#: Of a figure from a single repeat: nothing is known of its spread.
ONCE = "once"
#: The columns that a narrow window goes without, first to last.
DISPENSABLE = ("CPU", "latency", "", "10", "1", "1000")
BOUND_NOTE = "≥ ≤: the generator was the limit, so this is a bound, not the speed"


def change(before: Quantity, after: Quantity) -> str:
    """What became of a figure, in a few words."""
    ratio = after / before
    if ratio.is_missing:
        return "–"
    if ratio.bound == "?":
        return "not known"
    if min(before.repeats, after.repeats) < 2:
        return f"×{THIN_SPACE}{ratio}, {ONCE}"
    if not ratio.bound and not after.differs_from(before):
        return "no difference"
    return f"×{THIN_SPACE}{ratio}"


def cell(quantity: Quantity, digits: int = 3) -> str:
    return "–" if quantity.is_missing else f"{quantity:{digits}}"


def with_spread(quantity: Quantity) -> str:
    """Such as "2 280 ±1 %": the median, and half the way from lowest to highest."""
    if quantity.is_missing or quantity.bound or not quantity.median:
        return cell(quantity)
    if quantity.repeats < 2:
        return f"{cell(quantity)}, {ONCE}"
    half = 100 * (quantity.high - quantity.low) / 2 / quantity.median
    return f"{cell(quantity)} ±{half:.0f}{THIN_SPACE}%"


def step_table(record: Record, steps: Sequence[str] = STEPS) -> Table:
    """One screen: each step with a hundred clients, against the step before."""
    measurement = Measurement(record)
    table = _table(
        "One hundred clients: requests/s, median latency, the server's CPU",
        ["step", ""],
        ["requests/s", "latency", "CPU", "change"],
    )
    before: Quantity | None = None
    for step in steps:
        rate = measurement.rate(step, 100)
        table.add_row(
            step,
            TITLES[step],
            with_spread(rate),
            cell(measurement.latency(step, 100)),
            cell(measurement.cpu(step, 100), 2),
            "" if before is None else change(before, rate),
        )
        before = rate
    return table


def tables(record: Record) -> Iterable[Table]:
    """All that a record holds, as far as it holds it."""
    if record.pythons:
        yield from _pythons(record)
        return
    measurement = Measurement(record)
    servers = {point.server for point in record.points}
    is_comparison = bool(record.contestants) and not servers & set(STEPS)
    if is_comparison:
        yield from _comparison(measurement)
    elif servers & set(STEPS) != {"step08"}:
        yield step_table(record)
    for mode in ("keep-alive", "close"):
        for generator in GENERATORS:
            table = _grid(measurement, mode, generator)
            if table is not None:
                yield table
    for build in () if is_comparison else (_silent, _peers, _syscalls, _left_out):
        table = build(measurement)
        if table.row_count:
            yield table


def _pythons(record: Record) -> Iterator[Table]:
    """The same servers with the GIL and without: a table a number of clients."""
    m = Measurement(record, {FREE_THREADED: record})
    alike = dict.fromkeys(
        (point.connections, point.path, point.server) for point in record.points
    )
    for connections, path in dict.fromkeys(key[:2] for key in alike):
        asked = f", {path}" if path != "/" else ""
        table = _table(
            f"{connections} clients{asked}: requests/s, with the GIL and without",
            ["server"],
            ["with", "without", "change", "waits for the mutex a request"],
        )
        for server in (key[2] for key in alike if key[:2] == (connections, path)):
            with_it, without = (
                m.rate(server, connections, path=path, gil=gil) for gil in (True, False)
            )
            waited = m.stat(
                server,
                connections,
                "lock_wait_s",
                per_request=True,
                path=path,
                gil=False,
            )
            table.add_row(
                server,
                with_spread(with_it),
                with_spread(without),
                change(with_it, without),
                cell(waited),
            )
        yield table


def _comparison(measurement: Measurement) -> Iterator[Table]:
    versus = Versus(measurement)
    for build in SHEETS.values():
        sheet = build(versus)
        if any(cell != "–" for row in sheet.rows for cell in row[1:]):
            table = _table(sheet.title, sheet.header[: sheet.words])
            for name in sheet.header[sheet.words :]:
                table.add_column(name, justify="right", no_wrap=True)
            for row in sheet.rows:
                table.add_row(*row)
            yield table


def _grid(measurement: Measurement, mode: Mode, generator: Generator) -> Table | None:
    """Servers by connections: throughput, and the median latency under it."""
    points = [
        p
        for p in measurement.record.points
        if p.mode == mode and p.generator == generator and _is_plain(p) and p.repeats
    ]
    columns = sorted({point.connections for point in points})
    if len(columns) < 2:
        return None
    table = _table(
        f"{mode}, {GENERATORS[generator]}: requests/s, median latency",
        ["clients"],
        [str(connections) for connections in columns],
    )
    for server in dict.fromkeys(point.server for point in points):
        cells = []
        for connections in columns:
            rate = measurement.rate(server, connections, mode=mode, generator=generator)
            latency = measurement.latency(
                server, connections, mode=mode, generator=generator
            )
            cells.append(f"{with_spread(rate)}\n{cell(latency)}")
        table.add_row(server, *cells)
    return table


def _silent(measurement: Measurement) -> Table:
    table = _table(
        "What silent connections cost",
        ["server"],
        ["active", "besides", "requests/s", "against none", "still open"],
    )
    for point in measurement.record.points:
        if not point.silent or not point.repeats:
            continue
        where = (point.server, point.connections)
        alone = measurement.rate(*where, generator=point.generator)
        beside: Where = {
            "silent": point.silent,
            "manner": point.manner,
            "generator": point.generator,
        }
        rate = measurement.rate(*where, **beside)
        table.add_row(
            point.server,
            str(point.connections),
            f"{point.silent} {point.manner}",
            with_spread(rate),
            change(alone, rate),
            cell(measurement.still_open(*where, **beside)),
        )
    return table


def _peers(measurement: Measurement) -> Table:
    """Peers and step 08, with plain and with browser-like requests."""
    table = _table(
        "Beside the peers: requests/s, with 100 clients, keep-alive",
        ["server", "headers"],
        ["requests/s", "step08 against it", "lowest to highest"],
    )
    peers = [p.server for p in measurement.record.points if not is_step(p.server)]
    for server in ("step08", *dict.fromkeys(peers)) if peers else ():
        for headers in HEADERS:
            rate = measurement.rate(server, 100, headers=headers)
            if rate.is_missing:
                continue
            ours = measurement.rate("step08", 100, headers=headers)
            against = (change(rate, ours), (ours / rate).spread())
            table.add_row(
                server,
                headers,
                with_spread(rate),
                *(("", "") if server == "step08" else against),
            )
    return table


def _syscalls(measurement: Measurement) -> Table:
    table = _table("System calls a request (futex left out)", ["server", "all", ""])
    for point in measurement.record.points:
        calls = point.syscalls_per_request
        if calls is None:
            continue
        shown = [
            f"{name} {count:.2f}" for name, count in calls.items() if count >= 0.01
        ]
        table.add_row(point.server, f"{sum(calls.values()):.1f}", ", ".join(shown))
    return table


def _left_out(measurement: Measurement) -> Table:
    """Points without a result, and points with errors."""
    table = _table("Not measured, or with errors", ["point", "why"])
    for point in measurement.record.points:
        errors = {kind for repeat in point.repeats for kind in repeat.errors}
        why = point.skipped or ", ".join(
            f"{sum(repeat.errors.get(kind, 0) for repeat in point.repeats)} × {kind}"
            for kind in sorted(errors)
        )
        if why:
            silent = f", {point.silent} {point.manner}" if point.silent else ""
            table.add_row(
                f"{point.server}, {point.connections} × {point.mode}{silent}", why
            )
    return table


def _is_plain(point: Point) -> bool:
    beside_nobody = point.silent == 0 and not point.stagger_s
    return beside_nobody and point.headers == "plain" and point.path == "/"


def _table(title: str, words: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    table = new_table(title)
    for name in words:
        # A server's name is not broken; what was measured has spaces to break it at.
        table.add_column(name, no_wrap=bool(numbers) or name == "server")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def print_tables(record: Record, shown: Iterable[Table], console: Console) -> None:
    for table in shown:
        for part in fitted(table, console, DISPENSABLE):
            console.print(part, style="" if part is table else "dim")
    repeats = [repeat for point in record.points for repeat in point.repeats]
    if any(repeat.generator_bound for repeat in repeats):
        console.print(Text(BOUND_NOTE, style="dim"))
    for doubt in doubts(record):
        console.print(doubt, style="yellow")
    least = min((len(p.repeats) for p in record.points if p.repeats), default=0)
    note = (
        f"medians of {least} or more repeats; ± is half the way from the lowest "
        "to the highest; “no difference”: the spreads overlap"
    )
    if least < 2:
        note += f"; “{ONCE}”: measured once, so its spread is not known"
    console.print(Text(note, style="dim"))


def describe(record: Record) -> str:
    """Where and when, in one paragraph."""
    machine = record.machine
    state = "" if record.complete else ", unfinished"
    commit = "commit not known"
    if record.commit is not None:
        commit = record.commit[:10] + (" and changes" if record.dirty else "")
    pinned = "pinned to cores" if machine.server_cores else "not pinned to cores"
    return (
        f"{record.created_utc}{state}: {machine.cpu_model}, {machine.cores} cores "
        f"({pinned}), {machine.system} {machine.release}, "
        f"{machine.implementation} {machine.python}, {commit}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab show",
        description="Print a record as tables: yours if there is one, else the book's.",
    )
    parser.add_argument("--record", type=Path, help="a record, as JSON")
    arguments = parser.parse_args(argv)
    path = arguments.record or (READER if READER.exists() else BOOK)
    try:
        record = load_record(path)
    except RecordError as error:
        print(error, file=sys.stderr)
        return 2
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"{short_path(path)}, {describe(record)}"))
    print_tables(record, tables(record), console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
