"""What a server settles on: every run as a dot, in answers a timeout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from book.drawing import MARK, Figure, Key, is_narrow
from book.drawn import Sources
from book.figures.common import (
    BOOK_AND_YOURS,
    both_records,
    key_of_owners,
    names_within,
    plot_px,
    ring_layers,
    row_names,
    slug,
)
from book.measures import title
from lab.record.model import Point

#: Dots of one row stand below one another in so many places, so that equal ones do not
#: hide each other.
PLACES = 6


def settled(
    sources: Sources, server: str, timeout_ms: float, waits_ms: Sequence[float] = ()
) -> Figure:
    """Answers that each client gets within a timeout, and lines for what a fixed wait
    would give."""
    values: list[dict[str, Any]] = []
    table = []
    rows: list[str] = []
    for whose, m in both_records(sources):
        for point in m.closer.record.points:
            if point.server != server or point.mode != "keep-alive" or point.silent:
                continue
            if point.connections == 1 or point.path != "/" or not point.repeats:
                continue
            row = _row(point)
            if row not in rows:
                rows.append(row)
            shares = [
                repeat.throughput_rps * timeout_ms / 1000 / point.connections
                for repeat in point.repeats
            ]
            table.append([row, whose, ", ".join(f"{share:.2f}" for share in shares)])
            values += [
                {
                    "row": row,
                    "whose": whose,
                    "place": n % PLACES,
                    "value": share,
                    "said": f"{row}{MARK}{row} ({whose}): {share:.2f}",
                }
                for n, share in enumerate(shares)
            ]
    series = [name for name, _ in both_records(sources)]
    lines: list[dict[str, Any]] = [
        {"value": timeout_ms / wait, "wait": f"one every {wait:g} ms"}
        for wait in waits_ms
    ]
    waits = [str(line["wait"]) for line in lines]
    most = max([2.0, *(float(v["value"]) for v in (*values, *lines))])

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        x = {
            "field": "value",
            "type": "quantitative",
            "title": "answers to each client, a timeout",
            "scale": {"domain": [0, most * 1.08], "nice": False},
            "axis": {"tickCount": 6},
        }
        row = {
            "field": "row",
            "type": "nominal",
            "sort": rows,
            "axis": row_names(width),
        }
        dots: dict[str, Any] = {
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.8},
            "encoding": {
                "x": x,
                "y": row,
                "yOffset": {
                    "field": "place",
                    "type": "quantitative",
                    "scale": {"domain": [-5 if narrow else -2, PLACES + 1]},
                },
                "color": {
                    "field": "whose",
                    "scale": {"domain": series, "range": BOOK_AND_YOURS},
                },
                "description": {"field": "said"},
            },
        }
        wanted = {
            "data": {"values": lines},
            "mark": {"type": "rule", "color": "var(--chart-soft)"},
            "encoding": {
                "x": x,
                "strokeDash": {
                    "field": "wait",
                    "scale": {"domain": waits, "range": [[5, 4], [2, 2]]},
                },
            },
        }
        rings = ring_layers(dots["encoding"], values, 130)
        layers = [*([wanted] if lines else []), dots, *rings]
        if narrow:
            first = {"data": {"values": [{"row": name} for name in rows]}}
            text = names_within(first, "row", -24)
            text["encoding"]["y"] = row
            layers.append(text)
        return {
            "data": {"values": values},
            "width": plot_px(width),
            "height": {"step": 72 if narrow else 52},
            "layer": layers,
        }

    return Figure(
        name=slug("settled", server, *waits_ms),
        title=f"Answers to each client, a timeout, run by run: {title(server)}.",
        caption="Each dot is one run.",
        layout=layout,
        key=[
            *(key_of_owners() if len(series) > 1 else ()),
            *(Key(w, g) for w, g in zip(waits, ("dash", "dots"), strict=False)),
        ],
        header=["clients", "whose", "answers to each, a timeout, run by run"],
        rows=table,
    )


def _row(point: Point) -> str:
    """Such as "100 clients, at once"."""
    if point.generator == "wrk":
        how = "as wrk does"
    else:
        how = "one by one" if point.stagger_s else "at once"
    return f"{point.connections} clients, {how}"
