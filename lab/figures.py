"""The book's figures: what each shows of a record, as Vega-Lite.

What is told by a colour is told by a shape, a dash or a word besides. A point where
the load generator was the limit is hollow, and labelled "≥": it is not the server's.
Bars through a point reach from the lowest to the highest repeat.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lab.book import Sources
from lab.drawing import AT_LEAST, MARK, Figure, Key, is_narrow
from lab.peers import ONE_PROCESS, OURS, TWO_PROCESSES
from lab.quantity import Quantity
from lab.record import (
    CLOSING_STEPS,
    Generator,
    Headers,
    Manner,
    Measurement,
    step_of,
)
from lab.versus import ACTIVE, SPIN, Versus

TITLES = {
    "step01": "01 close after response",
    "step02": "02 four workers",
    "step03": "03 timeout and rebuild",
    "step04": "04 pipe and a second thread",
    "step05": "05 detach and re-attach",
    "step06": "06 both",
    "step07": "07 one write",
    "step08": "08 register once",
    "step09": "09 never block",
    "step10": "10 workers again",
    "step11": "11 deadlines",
    "step12": "12 a server to keep",
    "step13": "13 every core",
    "step14": "14 it has a name",
}
STEPS = tuple(TITLES)
#: The question's server up to its cure.
CASE = STEPS[:8]
COLOURS = 8

SHAPES = (
    "circle", "square", "triangle-up", "triangle-down",
    "diamond", "cross", "triangle-right", "triangle-left",
)  # fmt: skip


def title(server: str) -> str:
    """flags, if it has any, as they are typed: "10 workers again, --workers 0"."""
    for ours in OURS:  # of the comparison, in whose tables they have these names
        if server == ours.name:
            return ours.title
    _, space, flags = server.partition(" ")
    named = TITLES.get(step_of(server))
    return server if named is None else f"{named}, {flags}" if space else named


def colour(server: str) -> str:
    return f"var(--chart-{_number(server) % COLOURS + 1})"


def shape(server: str) -> str:
    return SHAPES[_number(server) % len(SHAPES)]


def _number(server: str) -> int:
    """A step keeps its colour in all figures; its flags, and a peer, get another."""
    if server in STEPS:
        return STEPS.index(server)
    step = step_of(server)
    return STEPS.index(step) + 3 if step in STEPS else len(server) % 6


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


def _sources(sources: Sources) -> Iterable[tuple[str, Measurement]]:
    for name, m in (("the book's", sources.book), ("yours", sources.mine)):
        if m is not None:
            yield name, m


def _slug(*parts: object) -> str:
    """Such as "rates-02-03": what a figure's files are called."""
    text = "-".join(map(str, parts)).lower().replace("step", "")
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def _mark(
    server: str, whose: str, quantity: Quantity, said: str = "", **place: Any
) -> dict[str, Any]:
    """The data of one mark: what, whose, where, how much, and what the pointer sees.

    An open end of the interval is drawn at the median, and the mark is hollow.
    """
    bound = bool(quantity.bound)
    unit = " requests a second" if quantity.unit == "1/s" else ""
    by = f", by {quantity.generator}" if quantity.generator else ""
    words = f"{said or title(server)} ({whose}{by}): {quantity}{unit}"
    if quantity.spread() != str(quantity):
        words += f", {quantity.spread()}"
    return {
        "server": title(server),
        "whose": whose,
        "value": quantity.median,
        "low": quantity.median if bound else quantity.low,
        "high": quantity.median if bound else quantity.high,
        "bound": bound,
        "label": str(quantity),
        "said": f"{title(server)}{MARK}{words}",
        **place,
    }


def _points(encoding: dict[str, Any], size: int = 90) -> list[dict[str, Any]]:
    """Filled points, and hollow ones where the generator was the limit."""
    encoding = {**encoding, "description": {"field": "said"}}
    mark = {"type": "point", "size": size, "strokeWidth": 2, "opacity": 1}
    return [
        {
            "transform": [{"filter": "!datum.bound"}],
            "mark": {**mark, "filled": True},
            "encoding": encoding,
        },
        {
            "transform": [{"filter": "datum.bound"}],
            "mark": {**mark, "filled": False, "fill": "var(--chart-paper)"},
            "encoding": encoding,
        },
    ]


def _lines(
    x: dict[str, Any], y: dict[str, Any], servers: Sequence[str]
) -> list[dict[str, Any]]:
    """A line a server, dashed for the reader's; spreads as bars, medians as points."""
    names = [title(server) for server in servers]
    colours = {"domain": names, "range": [colour(server) for server in servers]}
    shapes = {"domain": names, "range": [shape(server) for server in servers]}
    place = {"x": x, "y": y, "color": {"field": "server", "scale": colours}}
    place["description"] = {"field": "said"}
    dash = {
        "field": "whose",
        "scale": {"domain": ["the book's", "yours"], "range": [[1, 0], [5, 4]]},
    }
    spread = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return [
        {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {**place, "strokeDash": dash},
        },
        {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {**place, **spread}},
        *_points({**place, "shape": {"field": "server", "scale": shapes}}),
    ]


def _key_of_lines(
    servers: Sequence[str], values: Sequence[dict[str, Any]]
) -> list[Key]:
    key = [Key(title(s), shape(s), colour(s), series=title(s)) for s in servers]
    if any(value["whose"] == "yours" for value in values):
        key += [Key("the book's", "line"), Key("yours", "dash")]
    return key + _key_of_bounds(values)


def _key_of_owners() -> list[Key]:
    pairs = zip(("the book's", "yours"), _BOOK_AND_YOURS, strict=True)
    return [Key(name, "bar", colour) for name, colour in pairs]


def _key_of_bounds(values: Sequence[dict[str, Any]]) -> list[Key]:
    return [AT_LEAST] if any(value["bound"] for value in values) else []


def _log_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """An upright axis of powers of ten; its title is set level, above it."""
    above = [value for value in values if value > 0] or [1]
    low, high = math.floor(math.log10(min(above))), math.ceil(math.log10(max(above)))
    marks = [10.0**n if n < 0 else 10**n for n in range(low, max(high, low + 1) + 1)]
    return {
        "field": "value",
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "domain": [marks[0], marks[-1]]},
        "axis": {**_LEVEL_TITLE, "labelExpr": _THOUSANDS, "values": marks},
    }


#: Set level, the title of an upright axis needs no reader with a bent neck.
_LEVEL_TITLE = {
    "titleAngle": 0,
    "titleAlign": "left",
    "titleAnchor": "start",
    "titleX": -60,
    "titleY": -14,
    # Room for "100 000" in letters wider than those of the machine that drew it.
    "minExtent": 62,
}
#: Thin thousands, as the text writes them.
_THOUSANDS = "replace(format(datum.value, ','), /,/g, '\u202f')"


def _clients(n: int) -> str:
    return "1 connection" if n == 1 else f"{n} connections"


#: The room left of a chart of rows for the rows' names.
_NAMES_PX = 205


def _row_names(width: int) -> dict[str, Any] | None:
    """The axis of a chart of rows: names stand left of them, or in them if narrow."""
    if is_narrow(width):
        return None
    return {
        "title": None,
        "ticks": False,
        "domain": False,
        "labelAlign": "left",
        "labelPadding": _NAMES_PX - 5,
        "labelLimit": _NAMES_PX - 5,
        "minExtent": _NAMES_PX,
        "maxExtent": _NAMES_PX,
    }


def _plot_px(width: int) -> int:
    """What is left of a chart of rows for the plot."""
    return width - (24 if is_narrow(width) else _NAMES_PX + 20)


def _names_within(rows: dict[str, Any], field: str, dy: int) -> dict[str, Any]:
    return {
        **rows,
        "mark": {
            "type": "text",
            "align": "left",
            "dy": dy,
            "fontSize": 12,
            "color": "var(--chart-soft)",
        },
        "encoding": {"x": {"value": 1}, "text": {"field": field}},
    }


# -- the figures --------------------------------------------------------------


def eight(sources: Sources, connections: int = 100) -> Figure:
    """Throughput of every step at one number of connections."""
    kinds = ["closes after each response", "keeps the connection"]
    values = []
    rows = []
    for server in CASE:
        for whose, m in _sources(sources):
            rate = m.rate(server, connections)
            latency = m.latency(server, connections)
            by = f"{whose}, by {rate.generator}" if rate.generator else whose
            rows.append([title(server), by, str(rate), rate.spread(), str(latency)])
            if not rate.is_missing:
                kind = kinds[server not in CLOSING_STEPS]
                values.append(_mark(server, whose, rate, kind=kind))
    names = [title(server) for server in CASE]
    series = [name for name, _ in _sources(sources)]
    both = len(series) > 1
    key = [Key(kinds[0], "square"), Key(kinds[1], "circle"), *_key_of_bounds(values)]
    if both:
        key = [*_key_of_owners(), *key]

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        axis = _log_axis("requests a second", [v["value"] for v in values])
        low, high = axis["scale"]["domain"]
        x = {
            **axis,
            "title": "requests a second, each line ten times the one before"
            if not narrow
            else "requests a second (log scale)",
            "scale": {"type": "log", "domain": [low, high * (4 if narrow else 2)]},
            "axis": {"labelExpr": _THOUSANDS, "values": axis["axis"]["values"]},
        }
        paint = {
            "field": "whose",
            "scale": {"domain": series, "range": _BOOK_AND_YOURS},
        }
        form = {
            "field": "kind",
            "scale": {"domain": kinds, "range": ["square", "circle"]},
        }
        rule = {"type": "rule", "strokeWidth": 1.5, "color": "var(--chart-grid)"}
        layers: list[dict[str, Any]] = [
            {"mark": rule, "encoding": {"x": x, "x2": {"value": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.5},
                "encoding": {
                    "x": {**x, "field": "low"},
                    "x2": {"field": "high"},
                    "color": paint,
                },
            },
            *_points({"x": x, "color": paint, "shape": form}, size=110),
            {
                "mark": {"type": "text", "align": "left", "dx": 11},
                "encoding": {"x": x, "text": {"field": "label"}},
            },
        ]
        y: dict[str, Any] = {
            "field": "server",
            "type": "nominal",
            "sort": names,
            "axis": _row_names(width),
            "scale": {"paddingInner": 0.35, "paddingOuter": 0.5 if narrow else 0.2},
        }
        offset = {"yOffset": {"field": "whose", "sort": series}} if both else {}
        if narrow:
            first = {"transform": [{"filter": f'datum.whose == "{series[0]}"'}]}
            layers.append(_names_within(first, "server", -18))
        return {
            "data": {"values": values},
            "width": _plot_px(width),
            "height": {"step": (24 if both else 30) + (6 if narrow else 0)},
            "encoding": {"y": y, **offset},
            "layer": layers,
        }

    return Figure(
        name=_slug("eight", connections),
        title=f"Throughput of the eight steps with {_clients(connections)}.",
        caption="Each dot is a server; a bar through it, where it is wider than the "
        "dot, reaches from the slowest to the fastest repeat.",
        layout=layout,
        key=key,
        header=["server", "whose", "requests a second", "spread", "median latency"],
        rows=rows,
    )


_BOOK_AND_YOURS = ["var(--chart-7)", "var(--chart-yours)"]


def against_connections(
    measure: str, sources: Sources, servers: Sequence[str], **options: Any
) -> Figure:
    """A measure against the number of connections, a line a server."""
    asked = MEASURES[measure]
    assert sources.book is not None
    name = _slug(measure, *servers, *options.values())
    counts = measured_connections(sources.book, servers)
    values = []
    rows = []
    for server in servers:
        for whose, m in _sources(sources):
            # One generator for all lines: a step from one to another is no result.
            by = {"generator": m.generator_of(servers, counts, **options), **options}
            found = [asked.ask(m, server, n, **by) for n in counts]
            if whose == "yours" and all(q.is_missing for q in found):
                continue
            rows.append([title(server), whose, *map(_or_dash, found)])
            values += [
                _mark(server, whose, q, f"{title(server)}, {_clients(n)}", clients=n)
                for n, q in zip(counts, found, strict=True)
                if not q.is_missing
            ]

    def layout(width: int) -> dict[str, Any]:
        x = {
            "field": "clients",
            "type": "quantitative",
            "title": "connections",
            "scale": {"type": "log", "domain": [counts[0] / 1.3, counts[-1] * 1.3]},
            "axis": {"values": counts, "grid": False, "labelExpr": _THOUSANDS},
        }
        y = _log_axis(asked.axis, [v[end] for v in values for end in ("low", "high")])
        if not asked.log:
            y["scale"] = {"zero": True}
            del y["axis"]["values"]
        return {
            "data": {"values": values},
            "width": width - 8,
            "height": 320,
            "autosize": {"type": "fit", "contains": "padding"},
            "layer": _lines(x, y, servers),
        }

    what = asked.title[0].upper() + asked.title[1:]
    return Figure(
        name=name,
        title=f"{what} against connections: {', '.join(map(title, servers))}.",
        caption="A point is a median; the bar through it reaches from the lowest to "
        "the highest repeat. A hollow point: the load generator was the limit.",
        layout=layout,
        key=_key_of_lines(servers, values),
        header=["server", "whose", *map(_clients, counts)],
        rows=rows,
    )


def measured_connections(m: Measurement, servers: Sequence[str]) -> list[int]:
    return sorted(
        {
            p.connections
            for p in m.record.points
            if p.server in servers and not p.silent and p.path == "/"
        }
    )


class Beside(NamedTuple):
    """Words for connections that are open besides."""

    each: str
    all: str


BESIDE: dict[Manner, Beside] = {
    "silent": Beside("silent", "silent connections"),
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


def _or_dash(quantity: Quantity) -> str:
    return "–" if quantity.is_missing else str(quantity)


def throughput(sources: Sources, servers: Sequence[str], **options: Any) -> Figure:
    return against_connections("rates", sources, servers, **options)


def latency(sources: Sources, servers: Sequence[str], **options: Any) -> Figure:
    return against_connections("latency", sources, servers, **options)


def silent(
    sources: Sources,
    servers: Sequence[str],
    active: Sequence[int] = (10, 100),
    manner: Manner = "silent",
) -> Figure:
    """What silent connections cost: a line from none to many, a panel a load."""
    assert sources.book is not None
    counts = measured_silent(sources.book, servers, manner)
    panels = [f"requests a second, {n} active" for n in active]
    words = BESIDE[manner]
    beside = [f"{s} {words.each}" for s in counts]
    values = []
    rows = []
    for n, panel in zip(active, panels, strict=True):
        for server in servers:
            for whose, m in _sources(sources):
                by = m.generator_of(servers, active, silent=counts[-1], manner=manner)
                found = [
                    rate_beside(m, server, n, silent=s, manner=manner, generator=by)
                    for s in counts
                ]
                if whose == "yours" and all(q.is_missing for q in found):
                    continue
                head = f"{title(server)}, {n} active"
                left = found[-1] / found[0]
                rows.append([head, whose, *map(_or_dash, [*found, left])])
                values += [
                    _mark(server, whose, q, f"{head}, {s}", panel=panel, silent=s)
                    for s, q in zip(beside, found, strict=True)
                    if not q.is_missing
                ]

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        x = {
            "field": "silent",
            "type": "ordinal",
            "title": None,
            "sort": beside,
            "axis": {"labelAngle": 0},
            "scale": {"type": "point", "padding": 0.3},
        }
        y = {
            "field": "value",
            "type": "quantitative",
            "title": None,
            "scale": {"zero": True},
            "axis": {"labelExpr": _THOUSANDS, "tickCount": 4, "minExtent": 62},
        }
        return {
            "data": {"values": values},
            "facet": {
                "field": "panel",
                "type": "nominal",
                "sort": panels,
            },
            "columns": 1 if narrow else 2,
            "spec": {
                "width": width - 90 if narrow else (width - 180) // 2,
                "height": 200,
                "layer": _lines(x, y, servers),
            },
        }

    return Figure(
        name=_slug(manner, *servers),
        title=f"Throughput beside {words.all}: {', '.join(map(title, servers))}.",
        caption="From left to right: no silent connections, then many. A level line "
        "means that a connection which says nothing costs nothing.",
        layout=layout,
        key=_key_of_lines(servers, values),
        header=["server", "whose", *beside, "what is left"],
        rows=rows,
    )


def regimes(
    sources: Sources,
    servers: Sequence[str],
    waits_ms: Sequence[float] = (),
    mode: str = "keep-alive",
) -> Figure:
    """Every repeat as a dot, and lines for what a fixed wait would give (N / wait)."""
    values = []
    rows = []
    counts: set[int] = set()
    for whose, m in _sources(sources):
        for point in m.record.points:
            plain = point.headers == "plain" and point.path == "/" and not point.silent
            if point.server not in servers or point.mode != mode or not plain:
                continue
            if not point.repeats:
                continue
            counts.add(point.connections)
            load = f"{_clients(point.connections)}, by {point.generator}"
            rates = [
                Quantity.of(
                    [repeat.throughput_rps], "1/s", at_least=repeat.generator_bound
                )
                for repeat in point.repeats
            ]
            rows.append([title(point.server), whose, load, ", ".join(map(str, rates))])
            middle = (len(rates) - 1) / 2
            values += [
                _mark(
                    point.server,
                    whose,
                    rate,
                    f"{title(point.server)}, {load}",
                    # Side by side, so that equal ones do not hide each other.
                    clients=point.connections * 1.06 ** (n - middle),
                )
                for n, rate in enumerate(rates)
            ]
    ends = (min(counts, default=1), max(counts, default=10))
    lines = [
        {"wait": f"connections / {wait:g} ms", "clients": n, "value": n / wait * 1000}
        for wait in waits_ms
        for n in ends
    ]
    names = [title(server) for server in servers]
    series = [name for name, _ in _sources(sources)]
    waits = list(dict.fromkeys(str(line["wait"]) for line in lines))

    def layout(width: int) -> dict[str, Any]:
        x = {
            "field": "clients",
            "type": "quantitative",
            "title": "connections",
            "scale": {"type": "log", "domain": [ends[0] / 1.5, ends[1] * 1.5]},
            "axis": {"values": sorted(counts), "grid": False, "labelExpr": _THOUSANDS},
        }
        y = _log_axis("requests a second", [v["value"] for v in (*values, *lines)])
        dash = {
            "field": "wait",
            "scale": {"domain": waits, "range": [[1, 0], [5, 4], [2, 2]]},
        }
        wanted = {
            "data": {"values": lines},
            "mark": {"type": "line", "color": "var(--chart-soft)"},
            "encoding": {"x": x, "y": y, "strokeDash": dash},
        }
        point = {
            "x": x,
            "y": y,
            "color": {
                "field": "whose",
                "scale": {"domain": series, "range": _BOOK_AND_YOURS},
            },
            "shape": {
                "field": "server",
                "scale": {"domain": names, "range": [shape(s) for s in servers]},
            },
        }
        return {
            "data": {"values": values},
            "width": width - 8,
            "height": 340,
            "autosize": {"type": "fit", "contains": "padding"},
            "layer": [*([wanted] if lines else []), *_points(point, 60)],
        }

    return Figure(
        name=_slug("regimes", *servers, *waits_ms),
        title=f"Throughput of every repeat: {', '.join(names)}.",
        caption="Each dot is one run. Where dots of one number of connections lie in "
        "two heaps, the server settles in one of two regimes.",
        layout=layout,
        key=[
            *(_key_of_owners() if len(series) > 1 else ()),
            *(Key(title(s), shape(s)) for s in servers if len(servers) > 1),
            *(Key(w, g) for w, g in zip(waits, ("line", "dash", "dots"), strict=False)),
            *_key_of_bounds(values),
        ],
        header=["server", "whose", "load", "requests a second, run by run"],
        rows=rows,
    )


#: The opacity of the second kind of bar, which has an outline.
_PALE = 0.35

Question = tuple[str, str, Callable[[Measurement], Quantity]]


def cpu(sources: Sources, servers: Sequence[str], connections: int = 100) -> Figure:
    """How busy each server is."""

    def question(server: str) -> Question:
        return server, "", lambda m: m.cpu(server, connections)

    return _bars(
        sources,
        [question(server) for server in servers],
        axis="CPU of the server, % of one core",
        name=_slug("cpu", *servers, connections),
        title=f"The server's CPU with {_clients(connections)}.",
        caption="A server that is slow and not busy is waiting.",
    )


def peers(
    sources: Sources, servers: Sequence[str], connections: int = 100, **options: Any
) -> Figure:
    """Throughput side by side, with plain requests and with a browser's."""

    def question(server: str, headers: Headers) -> Question:
        def ask(m: Measurement) -> Quantity:
            return m.rate(server, connections, headers=headers, **options)

        return server, f"{headers} headers", ask

    kinds: tuple[Headers, ...] = ("plain", "browser")
    return _bars(
        sources,
        [question(server, kind) for server in servers for kind in kinds],
        axis="requests a second",
        name=_slug("peers", *servers, connections, *options.values()),
        title=f"Throughput side by side with {_clients(connections)}.",
        caption="Plain requests, and requests with a browser's thirteen header fields.",
    )


#: Paths of the application, and what their handlers do.
HANDLERS = {
    "/": "a tiny document",
    "/sleep/5": "5 ms of waiting",
    "/spin/1": "1 ms of computing",
}


def workers(sources: Sources, step: str = "step10", connections: int = 100) -> Figure:
    """What a pool of workers gives: as many times what the loop does by itself."""

    def question(path: str) -> Question:
        def ask(m: Measurement) -> Quantity:
            alone = m.rate(f"{step} --workers 0", connections, path=path)
            return m.rate(step, connections, path=path) / alone

        return f"{HANDLERS[path]}, {path}", "", ask

    return _bars(
        sources,
        [question(path) for path in HANDLERS],
        axis="times as many requests a second as without workers",
        name=_slug("workers", step, connections),
        title=f"What four workers give, with {_clients(connections)}.",
        caption="1 means that the workers change nothing.",
    )


def processes(sources: Sources, connections: int = ACTIVE) -> Figure:
    """What a second process gives: as many times what one does by itself."""

    def question(path: str) -> Question:
        def ask(m: Measurement) -> Quantity:
            alone = m.compare.rate(ONE_PROCESS, connections, path=path)
            return m.compare.rate(TWO_PROCESSES, connections, path=path) / alone

        return f"{HANDLERS[path]}, {path}", "", ask

    return _bars(
        sources,
        [question(path) for path in ("/", SPIN)],
        axis="times as many requests a second as with one process",
        name=_slug("processes", connections),
        title=f"What a second process gives, with {_clients(connections)}.",
        caption="1 means that the second process changes nothing; 2 is all it could.",
    )


def compare(sources: Sources, connections: int = ACTIVE) -> Figure:
    """All servers of the comparison side by side, likewise."""
    beside = Sources(
        sources.book and sources.book.compare, sources.mine and sources.mine.compare
    )
    servers = Versus(beside.book).titles if beside.book else ()
    figure = peers(beside, list(servers), connections)
    return replace(figure, name=_slug("compare", connections))


def _bars(
    sources: Sources,
    questions: Sequence[Question],
    *,
    axis: str,
    name: str,
    **text: str,
) -> Figure:
    """Bars from zero, a row a server: one for each question and record."""
    values = []
    rows = []
    for server, variant, ask in questions:
        for whose, m in _sources(sources):
            quantity = ask(m)
            if quantity.is_missing and whose == "yours":
                continue
            kind = ", ".join(filter(None, (whose, variant)))
            rows.append([title(server), kind, _or_dash(quantity), quantity.spread()])
            if not quantity.is_missing and quantity.bound != "?":
                pale = variant.startswith("browser")
                values.append(_mark(server, whose, quantity, series=kind, pale=pale))
    names = list(dict.fromkeys(title(server) for server, _, _ in questions))
    series = list(dict.fromkeys(v["series"] for v in values))
    key = [
        Key(
            s,
            "bar",
            _BOOK_AND_YOURS[s.startswith("yours")],
            _PALE if s.endswith("browser headers") else 1,
        )
        for s in series
        if len(series) > 1
    ]
    key += _key_of_bounds(values)

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        several = len(series) > 1
        top = max((v["high"] for v in values), default=1)
        x = {
            "field": "value",
            "type": "quantitative",
            "title": axis,
            # Room for the number at the end of the longest bar.
            "scale": {"domain": [0, top * (1.4 if narrow else 1.2)], "nice": False},
            "axis": {"tickCount": 4, "labelExpr": _THOUSANDS},
        }
        paint = {
            "field": "series",
            "scale": {
                "domain": series,
                "range": [_BOOK_AND_YOURS[s.startswith("yours")] for s in series],
            },
        }
        bar = {
            "x": x,
            "color": paint,
            "stroke": paint,
            "description": {"field": "said"},
        }
        kinds: dict[str, dict[str, Any]] = {
            "!datum.bound && !datum.pale": {},
            "!datum.bound && datum.pale": {"fillOpacity": _PALE},
            "datum.bound": {"fillOpacity": 0, "strokeDash": [4, 3]},
        }
        layers: list[dict[str, Any]] = [
            *(
                {
                    "transform": [{"filter": test}],
                    "mark": {"type": "bar", "strokeWidth": 1.5} | how,
                    "encoding": bar,
                }
                for test, how in kinds.items()
            ),
            {
                "mark": {"type": "rule", "color": "var(--chart-ink)"},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {"x": {**x, "field": "high"}, "text": {"field": "label"}},
            },
        ]
        y: dict[str, Any] = {
            "field": "server",
            "type": "nominal",
            "sort": names,
            "axis": _row_names(width),
            "scale": {
                "paddingInner": 0.5 if narrow else 0.3,
                "paddingOuter": 0.5 if narrow else 0.2,
            },
        }
        if narrow and series:
            first = {"transform": [{"filter": f'datum.series == "{series[0]}"'}]}
            layers.append(_names_within(first, "server", -20))
        offset = {"yOffset": {"field": "series", "sort": series}} if several else {}
        return {
            "data": {"values": values},
            "width": _plot_px(width),
            "height": {"step": 24 if several else 34 if narrow else 28},
            "encoding": {"y": y, **offset},
            "layer": layers,
        }

    return Figure(
        name=name,
        title=text["title"],
        caption=text["caption"],
        layout=layout,
        key=key,
        header=["server", "whose", axis, "spread"],
        rows=rows,
    )


# -- timelines ----------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of event: how it is drawn."""

    text: str
    colour: str
    px: int


#: In the order in which they are drawn, and stand in the key.
KINDS = {
    "sleeps": Kind("sleeps", "var(--chart-1)", 3),
    "head": Kind("waits for the head", "var(--chart-4)", 12),
    "body": Kind("waits for the body", "var(--chart-3)", 12),
    "held": Kind("held back by the kernel", "var(--chart-5)", 12),
    "works": Kind("works", "var(--chart-7)", 20),
}
_KIND_OF_NAME = {"wait for head": "head", "wait for body": "body", "held back": "held"}


def kind_of(event: dict[str, Any]) -> str:
    asleep = "sleeps" if event["cat"] == "wait" else "works"
    return _KIND_OF_NAME.get(event["name"], asleep)


def timeline(name: str, trace: dict[str, Any]) -> Figure:
    """What each thread did, and what the clients saw: a trace of `lab/trace.py`."""
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    named = {
        what: {e["tid"]: e["args"] for e in trace["traceEvents"] if e["name"] == what}
        for what in ("thread_name", "thread_sort_index")
    }
    tids = sorted(
        named["thread_name"],
        key=lambda tid: named["thread_sort_index"].get(tid, {}).get("sort_index", tid),
    )
    lanes = {tid: str(named["thread_name"][tid]["name"]) for tid in tids}
    end_ms = max((e["ts"] + e["dur"] for e in events), default=1000.0) / 1000
    values = []
    for event in events:
        start, dur = event["ts"] / 1000, event["dur"] / 1000
        lane = lanes[event["tid"]]
        values.append(
            {
                "lane": lane,
                "kind": kind_of(event),
                "start": start,
                # What is shorter than a hair would not be seen.
                "end": max(start + dur, start + end_ms / 300),
                "middle": start + dur / 2,
                "share": dur / end_ms,
                "label": f"{event['name']}, {dur:.1f} ms",
                "said": f"{lane}{MARK}{lane}: {event['name']}, at {start:.2f} ms, "
                f"for {dur:.2f} ms",
            }
        )
    seen = {value["kind"] for value in values}
    kinds = {kind: how for kind, how in KINDS.items() if kind in seen}

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        names_px = 0 if narrow else 130
        x = {
            "field": "start",
            "type": "quantitative",
            "title": "ms",
            "scale": {"domain": [0, end_ms], "nice": False},
            "axis": {"tickCount": 5 if narrow else 10},
        }
        layers: list[dict[str, Any]] = [
            {
                "transform": [{"filter": f"datum.kind == '{kind}'"}],
                "mark": {"type": "bar", "height": how.px, "color": how.colour},
                "encoding": {
                    "x": x,
                    "x2": {"field": "end"},
                    "description": {"field": "said"},
                },
            }
            for kind, how in kinds.items()
        ]
        # Room for the label is a share of the width.
        least = 0.45 if narrow else 0.25
        told = (
            f"datum.share > {least} && indexof(['head','body','held'], datum.kind) >= 0"
        )
        layers.append(
            {
                "transform": [{"filter": told}],
                "mark": {"type": "text", "dy": -14, "fontSize": 12},
                "encoding": {
                    "x": {**x, "field": "middle"},
                    "text": {"field": "label"},
                },
            }
        )
        if narrow:
            first = {"data": {"values": [{"lane": lane} for lane in lanes.values()]}}
            layers.append(_names_within(first, "lane", -30))
        axis = _row_names(width)
        if axis is not None:
            axis |= {"labelPadding": names_px - 5, "labelLimit": names_px - 5}
            axis |= {"minExtent": names_px, "maxExtent": names_px}
        return {
            "data": {"values": values},
            "width": width - names_px - 24,
            "height": {"step": 58 if narrow else 44},
            "encoding": {
                "y": {
                    "field": "lane",
                    "type": "nominal",
                    "sort": list(lanes.values()),
                    "axis": axis,
                }
            },
            "layer": layers,
        }

    rows = [
        [f"{ts / 1000:.2f} ms", lanes[tid], what, f"{dur / 1000:.2f} ms"]
        for ts, tid, what, dur in sorted(
            (e["ts"], e["tid"], e["name"], e["dur"]) for e in events
        )
    ]
    words = trace["otherData"]
    return Figure(
        name=_slug(name),
        title=f"What every thread of {words['step']} did. {words['words']}",
        caption="A lane a thread, on one clock with what the client saw.",
        layout=layout,
        key=[Key(how.text, "bar", how.colour) for how in kinds.values()],
        header=["at", "lane", "what", "for"],
        rows=rows,
        notes=words["conclusions"],
    )


FIGURES: dict[str, Callable[..., Figure]] = {
    "eight": eight,
    "throughput": throughput,
    "latency": latency,
    "silent": silent,
    "regimes": regimes,
    "cpu": cpu,
    "peers": peers,
    "workers": workers,
    "processes": processes,
    "compare": compare,
}
