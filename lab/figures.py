"""The book's figures: from a record to Vega-Lite, and from Vega-Lite to SVG.

A figure is drawn when the site is built, so that it needs no script to be seen. Each is
drawn twice, wide and narrow, and the style sheet shows the one that fits: letters are
legible on a phone. Colours are names (`var(--chart-3)`), which the style sheet turns
into light or dark ones; in the files for a repository browser they stand as such.

What is told by a colour is told by a shape, a dash or a word besides. A point where
the load generator was the limit is hollow, and labelled "≥": it is not the server's.
Bars through a point reach from the lowest to the highest repeat.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.book import Sources
from lab.quantity import Quantity
from lab.record import Measurement

WIDE_PX = 700
NARROW_PX = 340

TITLES = {
    "step01": "01 close after response",
    "step02": "02 four workers",
    "step03": "03 timeout and rebuild",
    "step04": "04 pipe and a second thread",
    "step05": "05 detach and re-attach",
    "step06": "06 both",
    "step07": "07 one write",
    "step08": "08 register once",
}
STEPS = tuple(TITLES)

SHAPES = (
    "circle", "square", "triangle-up", "triangle-down",
    "diamond", "cross", "triangle-right", "triangle-left",
)  # fmt: skip

#: The names that the style sheet knows (docs/assets/book.css), and what they are in a
#: file that has no style sheet. Contrast with the page is at least 3 to 1.
COLOURS = {
    "ink": ("#1f2933", "#e4e7eb"),
    "soft": ("#52606d", "#a7b1bd"),
    "grid": ("#dde3e9", "#39424e"),
    "paper": ("#ffffff", "#14181d"),
    "yours": ("#b4450a", "#ffab70"),
    "1": ("#6b7683", "#98a3b0"),
    "2": ("#323f4b", "#d5dbe1"),
    "3": ("#c2410c", "#fb8f57"),
    "4": ("#946200", "#e3b341"),
    "5": ("#a21c6e", "#f08cc4"),
    "6": ("#7a2e2e", "#d98c8c"),
    "7": ("#0b62a8", "#6cb6ff"),
    "8": ("#0b7a5a", "#4fcf9f"),
}


def title(server: str) -> str:
    return TITLES.get(server, server)


def colour(server: str) -> str:
    number = STEPS.index(server) + 1 if server in STEPS else len(server) % 6 + 1
    return f"var(--chart-{number})"


def shape(server: str) -> str:
    return SHAPES[STEPS.index(server) if server in STEPS else len(server) % 8]


@dataclass(frozen=True)
class Measure:
    """Something a record is asked, by the name that tables and figures use."""

    title: str
    axis: str
    ask: Callable[..., Quantity]
    log: bool = True

    def of(self, m: Measurement, server: str, n: int, **options: Any) -> Quantity:
        return self.ask(m, server, n, **options)


MEASURES = {
    "rates": Measure("requests a second", "requests a second", Measurement.rate),
    "latency": Measure("latency", "median latency, ms", Measurement.latency),
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


@dataclass(frozen=True)
class Figure:
    """What to draw, and the same in words.

    name: of the files in docs/figures/, so it is unique.
    layout: the Vega-Lite specification for a width in pixels.
    """

    name: str
    title: str
    caption: str
    layout: Callable[[int], dict[str, Any]]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def table_parts(self) -> tuple[Sequence[str], Sequence[Any], str]:
        from lab.blocks import Row

        rows = [Row(first, rest) for first, *rest in self.rows]
        return self.header, rows, self.title

    def stamp(self) -> str:
        """Says what was drawn, so that a file can be seen to be out of date on a
        machine whose fonts are not the ones it was drawn with."""
        spec = json.dumps(self.layout(WIDE_PX), sort_keys=True)
        return "drawn from " + hashlib.sha256(spec.encode()).hexdigest()[:16]


# -- drawing ------------------------------------------------------------------


def svg(figure: Figure, width: int) -> str:
    """The figure with named colours; its parts have `<title>`s for the pointer."""
    import vl_convert

    spec = figure.layout(width) | {"config": _config(width)}
    drawn = str(vl_convert.vegalite_to_svg(spec, vl_version="6.4"))
    # Vega describes each mark for readers of the screen. Here the whole is one image
    # with one description and a table, and each mark says its part to the pointer.
    drawn = re.sub(r' (?:role|aria-roledescription)="[^"]*"', "", drawn)
    drawn = re.sub(
        r'<(path|line|text)([^>]*) aria-label="([^"]*)"([^>]*)/>',
        r"<\1\2\4><title>\3</title></\1>",
        drawn,
    )
    drawn = re.sub(r' aria-(?:label|hidden)="[^"]*"', "", drawn)
    label = html.escape(figure.title)
    # Two drawings of one page must not share the names of their clipping paths.
    prefix = f"{figure.name}-{width}-"
    drawn = re.sub(r'\bid="', f'id="{prefix}', drawn)
    drawn = drawn.replace("url(#", f"url(#{prefix}")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def inline_figure(figure: Figure, table: str) -> str:
    """For a page of the site: both widths, the caption, and the same as a table."""
    import markdown

    caption = markdown.markdown(figure.caption).removeprefix("<p>")
    caption = caption.removesuffix("</p>")
    return (
        f'<figure class="chart">'
        f'<div class="chart-wide">{svg(figure, WIDE_PX)}</div>'
        f'<div class="chart-narrow">{svg(figure, NARROW_PX)}</div>'
        f"<figcaption>{caption}</figcaption>"
        f'<details class="chart-data"><summary>The figure in numbers</summary>{table}'
        "</details></figure>"
    )


def standalone_svg(figure: Figure, scheme: str) -> str:
    """For a repository browser: a file of one colour scheme."""
    drawn = svg(figure, WIDE_PX)
    for name, (light, dark) in COLOURS.items():
        drawn = drawn.replace(
            f"var(--chart-{name})", light if scheme == "light" else dark
        )
    paper = COLOURS["paper"][scheme == "dark"]
    drawn = re.sub(
        r"(<svg [^>]*>)",
        rf'\1<!-- {figure.stamp()} --><rect width="100%" height="100%" fill="{paper}"/>',
        drawn,
        count=1,
    )
    return drawn + "\n"


def _config(width: int) -> dict[str, Any]:
    ink, soft, grid = (f"var(--chart-{name})" for name in ("ink", "soft", "grid"))
    size = 13
    text = {"labelFontSize": size, "titleFontSize": size, "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            "labelColor": soft,
            "titleColor": soft,
            "gridColor": grid,
            "domainColor": grid,
            "tickColor": grid,
            "labelLimit": 260,
            **text,
        },
        "legend": {
            "orient": "top",
            "direction": "vertical",
            "columns": 1 if width < 500 else 2,
            "title": None,
            "labelColor": ink,
            "labelLimit": 300,
            "symbolSize": 90,
            "symbolStrokeWidth": 2,
            **text,
        },
        "header": {"labelColor": ink, "labelFontSize": size, "title": None},
        "text": {"color": ink, "fontSize": size},
    }


def _number_label(expression: str = "datum.value") -> str:
    """Thin thousands, as the text writes them."""
    return f"replace(format({expression}, ','), /,/g, '\u202f')"


def _sources(sources: Sources) -> Iterable[tuple[str, Measurement]]:
    for name, m in (("the book's", sources.book), ("yours", sources.mine)):
        if m is not None:
            yield name, m


def _tip(head: str, whose: str, quantity: Quantity, unit: str) -> str:
    words = f"{head} ({whose}): {quantity} {unit}".rstrip()
    spread = quantity.spread()
    return words if spread == str(quantity) else f"{words}; {spread}"


def _datum(quantity: Quantity) -> dict[str, Any]:
    """The numbers of a mark. An open end of the interval is drawn as the median."""
    bound = bool(quantity.bound)
    return {
        "value": quantity.median,
        "low": quantity.median if bound else quantity.low,
        "high": quantity.median if bound else quantity.high,
        "bound": bound,
        "label": str(quantity),
    }


def _slug(*parts: object) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", "-".join(map(str, parts)).lower())
    return words.strip("-")


def _points(encoding: dict[str, Any], size: int = 110) -> list[dict[str, Any]]:
    """Filled points, and hollow ones where the generator was the limit."""
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


# -- the figures --------------------------------------------------------------


def eight(sources: Sources, connections: int = 100) -> Figure:
    """Throughput of every step at one number of connections."""
    values = []
    rows = []
    kinds = ["closes after each response", "keeps the connection"]
    for server in STEPS:
        for whose, m in _sources(sources):
            rate = m.rate(server, connections)
            latency = m.latency(server, connections)
            rows.append([title(server), whose, str(rate), rate.spread(), str(latency)])
            if rate.is_missing:
                continue
            kind = kinds[server not in ("step01", "step02")]
            values.append(
                {
                    "server": title(server),
                    "whose": whose,
                    "kind": kind,
                    "tip": _tip(title(server), whose, rate, "requests a second"),
                    **_datum(rate),
                }
            )
    both = sources.mine is not None
    whose = [name for name, _ in _sources(sources)]

    def layout(width: int) -> dict[str, Any]:
        narrow = width < 500
        step = (46 if both else 34) + (12 if narrow else 0)
        ends = [v["value"] for v in values] or [1]
        y: dict[str, Any] = {
            "field": "server",
            "type": "nominal",
            "sort": [title(s) for s in STEPS],
            "axis": None
            if narrow
            else {"title": None, "ticks": False, "domain": False},
        }
        offset = {"field": "whose", "sort": whose}
        x = {
            "field": "value",
            "type": "quantitative",
            "title": "requests a second (each line is ten times the one before it)",
            "scale": {
                "type": "log",
                "domain": [10 ** _floor10(min(ends)), 10 ** (_floor10(max(ends)) + 1)],
            },
            "axis": {
                "labelExpr": _number_label(),
                "values": [10**n for n in range(7)],
                "titleFontSize": 12,
                "titleLimit": width - 20,
            },
        }
        if narrow:
            x["title"] = "requests a second, log scale"
        paint = {
            "field": "whose",
            "scale": {
                "domain": whose,
                "range": ["var(--chart-7)", "var(--chart-yours)"][: len(whose)],
            },
            "legend": {} if both else None,
        }
        point = {
            "x": x,
            "color": paint,
            "shape": {
                "field": "kind",
                "scale": {"domain": kinds, "range": ["square", "circle"]},
                "legend": {"symbolFillColor": "var(--chart-soft)",
                           "symbolStrokeColor": "var(--chart-soft)"},
            },
            "description": {"field": "tip"},
        }  # fmt: skip
        layers: list[dict[str, Any]] = [
            {
                "mark": {"type": "rule", "color": "var(--chart-grid)"},
                "encoding": {
                    "x": x,
                    "x2": {"value": 0},
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.6},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                    "color": paint,
                },
            },
            *_points(point),
            {
                "mark": {"type": "text", "align": "left", "dx": 10},
                "encoding": {
                    "x": x,
                    "text": {"field": "label"},
                },
            },
        ]
        if narrow:
            layers.append(
                {
                    "transform": [{"filter": {"field": "whose", "equal": whose[0]}}],
                    "mark": {"type": "text", "align": "left", "dy": -15, "fontSize": 12,
                             "color": "var(--chart-soft)"},
                    "encoding": {"x": {"value": 2}, "text": {"field": "server"}},
                }
            )  # fmt: skip
        return {
            "data": {"values": values},
            "width": width - (40 if narrow else 240),
            "height": {"step": step, "for": "position"} if both else {"step": step},
            "encoding": {"y": y, **({"yOffset": offset} if both else {})},
            "layer": layers,
            "autosize": {"type": "pad"},
        }

    return Figure(
        name=_slug("eight", connections),
        title=f"Throughput of the eight steps with {connections} connections.",
        caption="Each dot is a server; a bar through it, where it is wider than the "
        "dot, reaches from the slowest to the fastest repeat.",
        layout=layout,
        header=["server", "whose", "requests a second", "spread", "median latency"],
        rows=rows,
    )


def _floor10(value: float) -> int:
    return len(str(int(max(value, 1)))) - 1


def against_connections(
    measure: str, sources: Sources, servers: Sequence[str], **options: Any
) -> Figure:
    """A measure against the number of connections, a line a server."""
    ask = MEASURES[measure]
    assert sources.book is not None
    counts = sorted(
        {
            p.connections
            for p in sources.book.record.points
            if p.server in servers and not p.silent
        }
    )
    values = []
    rows = []
    for server in servers:
        for whose, m in _sources(sources):
            found = [ask.of(m, server, n, **options) for n in counts]
            if whose == "yours" and all(q.is_missing for q in found):
                continue
            rows.append([title(server), whose, *map(_or_dash, found)])
            for n, quantity in zip(counts, found, strict=True):
                if quantity.is_missing:
                    continue
                clients = "1 connection" if n == 1 else f"{n} connections"
                head = f"{title(server)}, {clients}"
                unit = "requests a second" if quantity.unit == "1/s" else ""
                values.append(
                    {
                        "server": title(server),
                        "whose": whose,
                        "connections": n,
                        "tip": _tip(head, whose, quantity, unit),
                        **_datum(quantity),
                    }
                )
    names = [title(s) for s in servers]
    both = any(value["whose"] == "yours" for value in values)

    def layout(width: int) -> dict[str, Any]:
        x = {
            "field": "connections",
            "type": "quantitative",
            "title": "connections",
            "scale": {"type": "log", "domain": [counts[0] / 1.3, counts[-1] * 1.3]},
            "axis": {"values": counts, "grid": False, "labelExpr": _number_label()},
        }
        y = {
            "field": "value",
            "type": "quantitative",
            "title": ask.axis,
            "scale": {"type": "log", "nice": True} if ask.log else {"zero": True},
            "axis": {
                # Beside a title set level, the axis needs no room for letters on end.
                "titleAngle": 0,
                "titleAlign": "left",
                "titleAnchor": "start",
                "titleX": -34,
                "titleY": -14,
                "labelExpr": _number_label(),
                **({"values": _decades(values)} if ask.log else {}),
            },
        }
        paint = {
            "field": "server",
            "scale": {"domain": names, "range": [colour(s) for s in servers]},
        }
        forms = {
            "field": "server",
            "scale": {"domain": names, "range": [shape(s) for s in servers]},
        }
        dash = {
            "field": "whose",
            "scale": {"domain": ["the book's", "yours"], "range": [[1, 0], [5, 4]]},
            "legend": {"symbolType": "stroke"} if both else None,
        }
        group = {"field": "whose"}
        point = {
            "x": x, "y": y, "color": paint, "shape": forms,
            "description": {"field": "tip"},
        }  # fmt: skip
        return {
            "data": {"values": values},
            "width": width - 8,
            "height": 300,
            "autosize": {"type": "fit", "contains": "padding"},
            "layer": [
                {
                    "mark": {"type": "line", "strokeWidth": 2},
                    "encoding": {
                        "x": x, "y": y, "color": paint,
                        "strokeDash": dash, "detail": group,
                    },
                },
                {
                    "mark": {"type": "rule", "strokeWidth": 2},
                    "encoding": {
                        "x": x,
                        "y": {**y, "field": "low"},
                        "y2": {"field": "high"},
                        "color": paint,
                    },
                },
                *_points(point, 90),
            ],
        }  # fmt: skip

    clients = ["1 connection" if n == 1 else f"{n} connections" for n in counts]
    return Figure(
        name=_slug(measure, *servers, *options.values()),
        title=f"{ask.title[0].upper()}{ask.title[1:]} against connections: "
        + ", ".join(names)
        + ".",
        caption="A point is a median; the bar through it reaches from the lowest to the "
        "highest repeat. A hollow point: the load generator was the limit.",
        layout=layout,
        header=["server", "whose", *clients],
        rows=rows,
    )


def _or_dash(quantity: Quantity) -> str:
    return "–" if quantity.is_missing else str(quantity)


def _decades(values: Sequence[dict[str, Any]]) -> list[float]:
    ends = [end for v in values for end in (v["low"], v["high"]) if end > 0] or [1]
    marks = [10.0**n for n in range(-3, 7)]
    low = max((m for m in marks if m <= min(ends)), default=marks[0])
    high = min((m for m in marks if m >= max(ends)), default=marks[-1])
    kept = [m for m in marks if low <= m <= high]
    return [int(m) if m >= 1 else m for m in kept]


def throughput(sources: Sources, servers: Sequence[str], **options: Any) -> Figure:
    return against_connections("rates", sources, servers, **options)


def latency(sources: Sources, servers: Sequence[str], **options: Any) -> Figure:
    return against_connections("latency", sources, servers, **options)


def silent(
    sources: Sources, servers: Sequence[str], active: Sequence[int] = (10, 100)
) -> Figure:
    """What silent connections cost: a line from none to many, a panel a load."""
    assert sources.book is not None
    counts = sorted(
        {0} | {p.silent for p in sources.book.record.points if p.server in servers}
    )
    values = []
    rows = []
    for n in active:
        for server in servers:
            for whose, m in _sources(sources):
                found = [m.rate(server, n, silent=s) for s in counts]
                if whose == "yours" and all(q.is_missing for q in found):
                    continue
                head = f"{title(server)}, {n} active"
                left = found[-1] / found[0]
                rows.append([head, whose, *map(_or_dash, [*found, left])])
                for s, rate in zip(counts, found, strict=True):
                    if rate.is_missing:
                        continue
                    beside = f"{head}, {s} silent"
                    values.append(
                        {
                            "server": title(server),
                            "whose": whose,
                            "panel": f"{n} active connections",
                            "silent": f"{s} silent",
                            "tip": _tip(beside, whose, rate, "requests a second"),
                            **_datum(rate),
                        }
                    )
    names = [title(s) for s in servers]
    both = any(value["whose"] == "yours" for value in values)

    def layout(width: int) -> dict[str, Any]:
        narrow = width < 500
        x = {
            "field": "silent",
            "type": "ordinal",
            "title": None,
            "sort": [f"{s} silent" for s in counts],
            "axis": {"labelAngle": 0},
            "scale": {"type": "point", "padding": 0.3},
        }
        y = {
            "field": "value",
            "type": "quantitative",
            "title": "requests a second" if not narrow else None,
            "scale": {"zero": True},
            "axis": {"labelExpr": _number_label(), "tickCount": 4},
        }
        paint = {
            "field": "server",
            "scale": {"domain": names, "range": [colour(s) for s in servers]},
        }
        forms = {
            "field": "server",
            "scale": {"domain": names, "range": [shape(s) for s in servers]},
        }
        dash = {
            "field": "whose",
            "scale": {"domain": ["the book's", "yours"], "range": [[1, 0], [5, 4]]},
            "legend": {"symbolType": "stroke"} if both else None,
        }
        point = {
            "x": x, "y": y, "color": paint, "shape": forms,
            "description": {"field": "tip"},
        }  # fmt: skip
        return {
            "data": {"values": values},
            "facet": {
                "field": "panel",
                "type": "nominal",
                "sort": [f"{n} active connections" for n in active],
            },
            "columns": 1 if narrow else 2,
            "spec": {
                "width": width - 75 if narrow else (width - 130) // 2,
                "height": 180 if narrow else 220,
                "layer": [
                    {
                        "mark": {"type": "line", "strokeWidth": 2},
                        "encoding": {
                            "x": x, "y": y, "color": paint,
                            "strokeDash": dash, "detail": {"field": "whose"},
                        },
                    },
                    {
                        "mark": {"type": "rule", "strokeWidth": 2},
                        "encoding": {
                            "x": x,
                            "y": {**y, "field": "low"},
                            "y2": {"field": "high"},
                            "color": paint,
                        },
                    },
                    *_points(point, 90),
                ],
            },
        }  # fmt: skip

    return Figure(
        name=_slug("silent", *servers),
        title="Throughput beside silent connections: " + ", ".join(names) + ".",
        caption="From left to right: no silent connections, then many. A level line "
        "means that a connection which says nothing costs nothing.",
        layout=layout,
        header=["server", "whose", *(f"{s} silent" for s in counts), "what is left"],
        rows=rows,
    )


def regimes(
    sources: Sources,
    servers: Sequence[str],
    waits_ms: Sequence[float] = (),
    connections: Sequence[int] | None = None,
    mode: str = "keep-alive",
) -> Figure:
    """Every repeat as a dot, and lines for what a fixed wait would give (N / wait)."""
    repeats = []
    rows = []
    counts: set[int] = set()
    for whose, m in _sources(sources):
        for point in m.record.points:
            if point.server not in servers or point.mode != mode or point.silent:
                continue
            if connections is not None and point.connections not in connections:
                continue
            if point.headers != "plain" or point.path != "/" or not point.repeats:
                continue
            counts.add(point.connections)
            by = f"{whose}, {point.generator}"
            shown = []
            middle = (len(point.repeats) - 1) / 2
            for n, repeat in enumerate(point.repeats):
                rate = Quantity.of(
                    [repeat.throughput_rps], "1/s", at_least=repeat.generator_bound
                )
                shown.append(str(rate))
                head = f"{title(point.server)}, {point.connections} connections, {by}"
                repeats.append(
                    {
                        "server": title(point.server),
                        "whose": whose,
                        "connections": point.connections,
                        # Side by side, so that equal ones do not hide each other.
                        "x": point.connections * 1.06 ** (n - middle),
                        "tip": f"{head}: {rate} requests a second",
                        **_datum(rate),
                    }
                )
            clients = f"{point.connections} connections, {by}"
            rows.append([title(point.server), clients, ", ".join(shown)])
    clients_sorted = sorted(counts) or [1, 100]
    names = [title(s) for s in servers]
    whose_names = [name for name, _ in _sources(sources)]
    lines = [
        {
            "wait": f"connections / {wait:g} ms",
            "connections": n,
            "value": n / wait * 1000,
        }
        for wait in waits_ms
        for n in (clients_sorted[0], clients_sorted[-1])
    ]

    def layout(width: int) -> dict[str, Any]:
        x = {
            "field": "x",
            "type": "quantitative",
            "title": "connections",
            "scale": {
                "type": "log",
                "domain": [clients_sorted[0] / 1.5, clients_sorted[-1] * 1.5],
            },
            "axis": {
                "values": clients_sorted,
                "grid": False,
                "labelExpr": _number_label(),
            },
        }
        seen = [{"low": v["value"], "high": v["value"]} for v in [*repeats, *lines]]
        y = {
            "field": "value",
            "type": "quantitative",
            "title": "requests a second",
            "scale": {"type": "log"},
            "axis": {
                "titleAngle": 0, "titleAlign": "left", "titleAnchor": "start",
                "titleX": -34, "titleY": -14,
                "labelExpr": _number_label(), "values": _decades(seen),
            },
        }  # fmt: skip
        point = {
            "x": x,
            "y": y,
            "color": {
                "field": "whose",
                "scale": {
                    "domain": whose_names,
                    "range": ["var(--chart-7)", "var(--chart-yours)"],
                },
                "legend": {} if len(whose_names) > 1 else None,
            },
            "shape": {
                "field": "server",
                "scale": {"domain": names, "range": [shape(s) for s in servers]},
            },
            "description": {"field": "tip"},
        }
        layers: list[dict[str, Any]] = []
        if lines:
            layers.append(
                {
                    "data": {"values": lines},
                    "mark": {"type": "line", "color": "var(--chart-soft)"},
                    "encoding": {
                        "x": {**x, "field": "connections"},
                        "y": y,
                        "strokeDash": {"field": "wait", "legend": {
                            "symbolType": "stroke",
                            "symbolStrokeColor": "var(--chart-soft)"}},
                    },
                }
            )  # fmt: skip
        return {
            "data": {"values": repeats},
            "width": width - 8,
            "height": 320,
            "autosize": {"type": "fit", "contains": "padding"},
            "layer": [*layers, *_points(point, 70)],
        }

    return Figure(
        name=_slug("regimes", *servers, *waits_ms),
        title="Throughput of every repeat: " + ", ".join(names) + ".",
        caption="Each dot is one run. Where dots of one number of connections lie in "
        "two heaps, the server settles in one of two regimes.",
        layout=layout,
        header=["server", "load", "requests a second, run by run"],
        rows=rows,
    )


def cpu(sources: Sources, servers: Sequence[str], connections: int = 100) -> Figure:
    asked = [(title(s), s, {}) for s in servers]
    return _bars(
        "cpu",
        sources,
        [(name, "", lambda m, s=s: m.cpu(s, connections)) for name, s, _ in asked],
        axis="CPU of the server, % of one core",
        title=f"The server's CPU with {connections} connections.",
        caption="A server that is slow and not busy is waiting.",
        slug=_slug("cpu", *servers, connections),
    )


def peers(
    sources: Sources, servers: Sequence[str], connections: int = 100, **options: Any
) -> Figure:
    asked = [
        (
            title(s),
            f"{headers} headers",
            lambda m, s=s, h=headers: m.rate(s, connections, headers=h, **options),
        )
        for s in servers
        for headers in ("plain", "browser")
    ]
    return _bars(
        "peers",
        sources,
        asked,
        axis="requests a second",
        title=f"Throughput side by side with {connections} connections.",
        caption="Plain requests and requests with a browser's thirteen header fields.",
        slug=_slug("peers", *servers, connections, *options.values()),
    )


def _bars(
    kind: str,
    sources: Sources,
    asked: Sequence[tuple[str, str, Callable[[Measurement], Quantity]]],
    *,
    axis: str,
    title: str,
    caption: str,
    slug: str,
) -> Figure:
    """Bars from zero, one a question, with the reader's beside the book's."""
    values = []
    rows = []
    for name, variant, ask in asked:
        for whose, m in _sources(sources):
            quantity = ask(m)
            if quantity.is_missing and whose == "yours":
                continue
            rows.append(
                [
                    f"{name}, {variant}" if variant else name,
                    whose,
                    _or_dash(quantity),
                    quantity.spread(),
                ]
            )
            if quantity.is_missing:
                continue
            series = f"{whose}, {variant}" if variant else whose
            values.append(
                {
                    "server": name,
                    "series": series,
                    "yours": whose == "yours",
                    "variant": variant,
                    "tip": _tip(name, series, quantity, ""),
                    **_datum(quantity),
                }
            )
    series = list(dict.fromkeys(v["series"] for v in values))
    names = list(dict.fromkeys(name for name, _, _ in asked))
    range_ = [
        ("var(--chart-yours)" if s.startswith("yours") else "var(--chart-7)")
        for s in series
    ]

    def layout(width: int) -> dict[str, Any]:
        narrow = width < 500
        top = max((v["high"] for v in values), default=1) * (1.45 if narrow else 1.2)
        y: dict[str, Any] = {
            "field": "server",
            "type": "nominal",
            "sort": names,
            "axis": None
            if narrow
            else {"title": None, "ticks": False, "domain": False},
            "scale": {"paddingInner": 0.4 if narrow else 0.25, "paddingOuter": 0.25},
        }
        offset = {"field": "series", "sort": series}
        paint = {
            "field": "series",
            "scale": {"domain": series, "range": range_},
            "legend": {} if len(series) > 1 else None,
        }
        x = {
            "field": "value",
            "type": "quantitative",
            "title": axis,
            "scale": {"domain": [0, top], "nice": False},
            "axis": {"tickCount": 4, "labelExpr": _number_label()},
        }
        bar = {"x": x, "color": paint, "description": {"field": "tip"}}
        plain = "datum.variant != 'browser headers'"
        layers: list[dict[str, Any]] = [
            {
                "transform": [{"filter": f"!datum.bound && {plain}"}],
                "mark": {"type": "bar", "height": {"band": 0.85}},
                "encoding": bar,
            },
            {
                "transform": [{"filter": f"!datum.bound && !({plain})"}],
                "mark": {"type": "bar", "height": {"band": 0.85}, "fillOpacity": 0.45,
                         "strokeWidth": 1.5},
                "encoding": {**bar, "stroke": {**paint, "legend": None}},
            },
            {
                "transform": [{"filter": "datum.bound"}],
                "mark": {"type": "bar", "height": {"band": 0.85}, "filled": False,
                         "strokeWidth": 1.5, "strokeDash": [4, 3]},
                "encoding": bar,
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "color": "var(--chart-ink)"},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {
                    "x": {"field": "high", "type": "quantitative"},
                    "text": {"field": "label"},
                },
            },
        ]  # fmt: skip
        if narrow:
            first = {"field": "series", "equal": series[0] if series else ""}
            layers.append(
                {
                    "transform": [{"filter": first}],
                    "mark": {"type": "text", "align": "left", "dy": -20, "fontSize": 12,
                             "color": "var(--chart-soft)"},
                    "encoding": {"x": {"value": 2}, "text": {"field": "server"}},
                }
            )  # fmt: skip
        row = 26 if not narrow else 28
        return {
            "data": {"values": values},
            "width": width - (30 if narrow else 240),
            "height": {"step": row, "for": "offset"} if len(series) > 1 else
            {"step": row * (1.8 if narrow else 1.3)},
            "encoding": {"y": y, **({"yOffset": offset} if len(series) > 1 else {})},
            "layer": layers,
        }  # fmt: skip

    return Figure(
        name=slug,
        title=title,
        caption=caption,
        layout=layout,
        header=["server", "whose", axis, "spread"],
        rows=rows,
    )


# -- timelines ----------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """What one thread did, or what the client saw; an instant lasts 0 ms."""

    lane: str
    name: str
    start_ms: float
    dur_ms: float


def events_of(trace: dict[str, Any] | list[dict[str, Any]]) -> list[Event]:
    """The complete and the instant events of a Chrome trace, by thread, from 0 ms."""
    raw = trace if isinstance(trace, list) else trace["traceEvents"]
    lanes = {
        (e["pid"], e["tid"]): str(e["args"]["name"])
        for e in raw
        if e["ph"] == "M" and e["name"] == "thread_name"
    }
    timed = [e for e in raw if e["ph"] in "Xi"]
    start = min((e["ts"] for e in timed), default=0)
    return [
        Event(
            lane=lanes.get((e["pid"], e["tid"]), f"thread {e['tid']}"),
            name=str(e["name"]),
            start_ms=(e["ts"] - start) / 1000,
            dur_ms=e.get("dur", 0) / 1000,
        )
        for e in sorted(timed, key=lambda e: (e["ts"], -e.get("dur", 0)))
    ]


_TIMELINE_COLOURS = ("7", "3", "8", "5", "4", "2", "6", "1")


def timeline(
    name: str,
    trace: dict[str, Any] | list[dict[str, Any]] | Sequence[Event],
    *,
    title: str = "",
    waits: Sequence[str] = ("wait", "select", "sleep", "lock", "idle", "poll"),
) -> Figure:
    """A lane a thread; waiting is drawn thin and grey, work as a bar in a colour.

    waits: events whose name contains one of these words are waiting.
    """
    if isinstance(trace, list) and trace and isinstance(trace[0], Event):
        events: Sequence[Event] = trace
    else:
        events = events_of(trace)  # type: ignore[arg-type]
    end = max((e.start_ms + e.dur_ms for e in events), default=1.0)
    lanes = list(dict.fromkeys(e.lane for e in events))
    values = [
        {
            "lane": e.lane,
            "name": e.name,
            "start": e.start_ms,
            # What is shorter than a hair would not be seen.
            "end": max(e.start_ms + e.dur_ms, e.start_ms + end / 250),
            "wait": any(word in e.name.lower() for word in waits),
            "tip": f"{e.lane}: {e.name}, at {e.start_ms:.2f} ms"
            + (f", for {e.dur_ms:.2f} ms" if e.dur_ms else ""),
        }
        for e in events
    ]
    work = list(dict.fromkeys(str(v["name"]) for v in values if not v["wait"]))
    colours = [
        f"var(--chart-{_TIMELINE_COLOURS[n % len(_TIMELINE_COLOURS)]})"
        for n in range(len(work))
    ]

    def layout(width: int) -> dict[str, Any]:
        narrow = width < 500
        y: dict[str, Any] = {
            "field": "lane",
            "type": "nominal",
            "sort": lanes,
            "title": None,
            "axis": None
            if narrow
            else {"ticks": False, "domain": False, "grid": True, "labelLimit": 150},
        }
        x = {
            "field": "start",
            "type": "quantitative",
            "title": "ms",
            "scale": {"domain": [0, end * 1.01], "nice": False},
            "axis": {"tickCount": 5 if narrow else 10},
        }
        layers: list[dict[str, Any]] = [
            {
                "transform": [{"filter": "datum.wait"}],
                "mark": {
                    "type": "bar",
                    "height": 4,
                    "color": "var(--chart-soft)",
                    "opacity": 0.55,
                },
                "encoding": {
                    "x": x,
                    "x2": {"field": "end"},
                    "description": {"field": "tip"},
                },
            },
            {
                "transform": [{"filter": "!datum.wait"}],
                "mark": {"type": "bar", "height": 18},
                "encoding": {
                    "x": x,
                    "x2": {"field": "end"},
                    "color": {
                        "field": "name",
                        "scale": {"domain": work, "range": colours},
                        "legend": {
                            "symbolType": "square",
                            "columns": 2 if narrow else 4,
                        },
                    },
                    "description": {"field": "tip"},
                },
            },
        ]
        if narrow:
            layers.append(
                {
                    "data": {"values": [{"lane": lane} for lane in lanes]},
                    "mark": {"type": "text", "align": "left", "dy": -18, "fontSize": 12,
                             "color": "var(--chart-soft)"},
                    "encoding": {"x": {"value": 0}, "text": {"field": "lane"}},
                }
            )  # fmt: skip
        return {
            "data": {"values": values},
            "width": width - (20 if narrow else 170),
            "height": {"step": 52 if narrow else 34},
            "encoding": {"y": y},
            "layer": layers,
        }

    return Figure(
        name=_slug(name),
        title=title or "What each thread did, and what the client saw, on one clock.",
        caption="A bar is work, a thin grey line is waiting.",
        layout=layout,
        header=["at", "thread", "what", "for"],
        rows=[
            [
                f"{e.start_ms:.2f} ms",
                e.lane,
                e.name,
                f"{e.dur_ms:.2f} ms" if e.dur_ms else "",
            ]
            for e in events
        ],
    )


FIGURES: dict[str, Callable[..., Figure]] = {
    "eight": eight,
    "throughput": throughput,
    "latency": latency,
    "silent": silent,
    "regimes": regimes,
    "cpu": cpu,
    "peers": peers,
}
