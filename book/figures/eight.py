"""The figure with which the book begins: each step at one number of connections.

It is drawn twice: on the first pages up to the last server of the question, and where
the case is solved with its cure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from book.drawing import Figure, Key, is_narrow
from book.drawn import Sources
from book.figures.common import (
    BOOK_AND_YOURS,
    THOUSANDS,
    both_records,
    clients_in_words,
    key_of_bounds,
    key_of_owners,
    log_axis,
    mark_of,
    names_within,
    plot_px,
    point_layers,
    row_names,
    slug,
)
from book.measures import CASE, title
from lab.record.names import CLOSING_STEPS

#: The row that the first pages have in place of the cure, which they keep secret.
UNKNOWN = "07 ?"


def eight(sources: Sources, connections: int = 100, last: str = CASE[-1]) -> Figure:
    """Throughput of every step of the case, up to one, at one number of connections."""
    return _servers(sources, CASE[: CASE.index(last) + 1], connections)


def question(sources: Sources, connections: int = 100) -> Figure:
    """The same of the question's servers alone, and a row that is yet to be found."""
    return _servers(sources, CASE[: CASE.index("step06") + 1], connections, UNKNOWN)


def _servers(
    sources: Sources, servers: Sequence[str], connections: int, unknown: str = ""
) -> Figure:
    """unknown: the name of a last row, in which there is a question mark."""
    kinds = ["closes after each response", "keeps the connection"]
    values = []
    rows = []
    for server in servers:
        for whose, m in both_records(sources):
            rate = m.rate(server, connections)
            latency = m.latency(server, connections)
            by = f"{whose}, by {rate.generator}" if rate.generator else whose
            rows.append([title(server), by, str(rate), rate.spread(), str(latency)])
            if not rate.is_missing:
                kind = kinds[server not in CLOSING_STEPS]
                values.append(mark_of(server, whose, rate, kind=kind))
    whose = "question’s servers" if unknown else f"first {len(servers)} steps"
    names = [title(server) for server in servers] + [unknown] * bool(unknown)
    if unknown:
        rows.append([unknown, "nobody's yet", "?", "?", "?"])
    series = [name for name, _ in both_records(sources)]
    both = len(series) > 1
    key = [Key(kinds[0], "square"), Key(kinds[1], "circle"), *key_of_bounds(values)]
    if both:
        key = [*key_of_owners(), *key]

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        axis = log_axis("requests a second", [v["value"] for v in values])
        low, high = axis["scale"]["domain"]
        x = {
            **axis,
            "title": "requests a second, each line ten times the one before"
            if not narrow
            else "requests a second (log scale)",
            "scale": {"type": "log", "domain": [low, high * (4 if narrow else 2)]},
            "axis": {"labelExpr": THOUSANDS, "values": axis["axis"]["values"]},
        }
        paint = {
            "field": "whose",
            "scale": {"domain": series, "range": BOOK_AND_YOURS},
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
            *point_layers({"x": x, "color": paint, "shape": form}, values, 110),
            {
                # Behind the bar: a line through a number would seem to strike it out.
                "mark": {"type": "text", "align": "left", "dx": 15 if both else 11},
                "encoding": {"x": {**x, "field": "high"}, "text": {"field": "label"}},
            },
        ]
        if unknown:
            asked = {"data": {"values": [{"server": unknown}]}}
            mark = {"type": "text", "align": "left", "fontSize": 17, "text": "?"}
            layers.append({**asked, "mark": mark, "encoding": {"x": {"value": 11}}})
        y: dict[str, Any] = {
            "field": "server",
            "type": "nominal",
            "sort": names,
            "axis": row_names(width),
            "scale": {"paddingInner": 0.35, "paddingOuter": 0.5 if narrow else 0.2},
        }
        offset = {"yOffset": {"field": "whose", "sort": series}} if both else {}
        if narrow:
            first = {"transform": [{"filter": f'datum.whose == "{series[0]}"'}]}
            layers.append(names_within(first, "server", -18))
            if unknown:
                layers.append(names_within(asked, "server", -18))
        return {
            "data": {"values": values},
            "width": plot_px(width),
            "height": {"step": (24 if both else 30) + (6 if narrow else 0)},
            "encoding": {"y": y, **offset},
            "layer": layers,
        }

    return Figure(
        name=slug("question" if unknown else servers[-1], "at", connections),
        title=f"Throughput of the {whose} with {clients_in_words(connections)}.",
        caption="Each dot is a server; a bar through it, where it is wider than the "
        "dot, reaches from the slowest to the fastest repeat.",
        layout=layout,
        key=key,
        header=["server", "whose", "requests a second", "spread", "median latency"],
        rows=rows,
    )
