"""Lines: a measure against the number of connections, active or silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from book.drawing import Figure, is_narrow
from book.drawn import Sources
from book.figures.common import (
    THOUSANDS,
    both_records,
    clients_in_words,
    key_of_lines,
    line_layers,
    log_axis,
    mark_of,
    slug,
)
from book.measures import (
    BESIDE,
    MEASURES,
    measured_connections,
    measured_silent,
    rate_beside,
    title,
)
from book.tables import cell
from lab.load.kinds import Manner


def against_connections(
    measure: str, sources: Sources, servers: Sequence[str], **options: Any
) -> Figure:
    """A measure against the number of connections, a line a server."""
    asked = MEASURES[measure]
    assert sources.book is not None
    name = slug(measure, *servers, *options.values())
    counts = measured_connections(sources.book, servers)
    values = []
    rows = []
    for server in servers:
        for whose, m in both_records(sources):
            # One generator for all lines: a step from one to another is no result.
            by = {"generator": m.generator_of(servers, counts, **options), **options}
            found = [asked.ask(m, server, n, **by) for n in counts]
            if whose == "yours" and all(q.is_missing for q in found):
                continue
            rows.append([title(server), whose, *map(cell, found)])
            values += [
                mark_of(
                    server,
                    whose,
                    q,
                    f"{title(server)}, {clients_in_words(n)}",
                    clients=n,
                )
                for n, q in zip(counts, found, strict=True)
                if not q.is_missing
            ]

    def layout(width: int) -> dict[str, Any]:
        x = {
            "field": "clients",
            "type": "quantitative",
            "title": "connections",
            "scale": {"type": "log", "domain": [counts[0] / 1.3, counts[-1] * 1.3]},
            "axis": {"values": counts, "grid": False, "labelExpr": THOUSANDS},
        }
        y = log_axis(asked.axis, [v[end] for v in values for end in ("low", "high")])
        if not asked.log:
            y["scale"] = {"zero": True}
            del y["axis"]["values"]
        return {
            "data": {"values": values},
            "width": width - 8,
            "height": 320,
            "autosize": {"type": "fit", "contains": "padding"},
            "layer": line_layers(x, y, servers, values),
        }

    what = asked.title[0].upper() + asked.title[1:]
    return Figure(
        name=name,
        title=f"{what} against connections: {', '.join(map(title, servers))}.",
        caption="A point is a median; the bar through it reaches from the lowest to "
        "the highest repeat. A hollow point: the load generator was the limit.",
        layout=layout,
        key=key_of_lines(servers, values),
        header=["server", "whose", *map(clients_in_words, counts)],
        rows=rows,
    )


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
            for whose, m in both_records(sources):
                by = m.generator_of(servers, active, silent=counts[-1], manner=manner)
                found = [
                    rate_beside(m, server, n, silent=s, manner=manner, generator=by)
                    for s in counts
                ]
                if whose == "yours" and all(q.is_missing for q in found):
                    continue
                head = f"{title(server)}, {n} active"
                left = found[-1] / found[0]
                rows.append([head, whose, *map(cell, [*found, left])])
                values += [
                    mark_of(server, whose, q, f"{head}, {s}", panel=panel, silent=s)
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
            "axis": {"labelExpr": THOUSANDS, "tickCount": 4, "minExtent": 62},
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
                "layer": line_layers(x, y, servers, values),
            },
        }

    return Figure(
        name=slug(manner, *servers),
        title=f"Throughput beside {words.all}: {', '.join(map(title, servers))}.",
        caption="From left to right: no silent connections, then many. A level line "
        "means that a connection which says nothing costs nothing.",
        layout=layout,
        key=key_of_lines(servers, values),
        header=["server", "whose", *beside, "what is left"],
        rows=rows,
    )
