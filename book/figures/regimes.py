"""Every repeat as a dot: does a server settle in more than one regime?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from book.drawing import Figure, Key
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
    point_layers,
    shape,
    slug,
)
from book.measures import title
from lab.record.quantity import Quantity


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
    for whose, m in both_records(sources):
        for point in m.record.points:
            plain = point.headers == "plain" and point.path == "/" and not point.silent
            if point.server not in servers or point.mode != mode or not plain:
                continue
            if not point.repeats:
                continue
            counts.add(point.connections)
            load = f"{clients_in_words(point.connections)}, by {point.generator}"
            rates = [
                Quantity.of(
                    [repeat.throughput_rps], "1/s", at_least=repeat.generator_bound
                )
                for repeat in point.repeats
            ]
            rows.append([title(point.server), whose, load, ", ".join(map(str, rates))])
            middle = (len(rates) - 1) / 2
            values += [
                mark_of(
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
    series = [name for name, _ in both_records(sources)]
    waits = list(dict.fromkeys(str(line["wait"]) for line in lines))

    def layout(width: int) -> dict[str, Any]:
        x = {
            "field": "clients",
            "type": "quantitative",
            "title": "connections",
            "scale": {"type": "log", "domain": [ends[0] / 1.5, ends[1] * 1.5]},
            "axis": {"values": sorted(counts), "grid": False, "labelExpr": THOUSANDS},
        }
        y = log_axis("requests a second", [v["value"] for v in (*values, *lines)])
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
                "scale": {"domain": series, "range": BOOK_AND_YOURS},
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
            "layer": [*([wanted] if lines else []), *point_layers(point, values, 60)],
        }

    return Figure(
        name=slug("regimes", *servers, *waits_ms),
        title=f"Throughput of every repeat: {', '.join(names)}.",
        caption="Each dot is one run. Where dots of one number of connections lie in "
        "two heaps, the server settles in one of two regimes.",
        layout=layout,
        key=[
            *(key_of_owners() if len(series) > 1 else ()),
            *(Key(title(s), shape(s)) for s in servers if len(servers) > 1),
            *(Key(w, g) for w, g in zip(waits, ("line", "dash", "dots"), strict=False)),
            *key_of_bounds(values),
        ],
        header=["server", "whose", "load", "requests a second, run by run"],
        rows=rows,
    )
