"""What figures have in common: colours and shapes, marks, axes, keys."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from book.drawing import AT_LEAST, MARK, Key, is_narrow
from book.drawn import Sources
from book.measures import title
from lab.record.matrix import STEPS
from lab.record.measurement import Measurement
from lab.record.names import step_of
from lab.record.quantity import Quantity

COLOURS = 8

SHAPES = (
    "circle", "square", "triangle-up", "triangle-down",
    "diamond", "cross", "triangle-right", "triangle-left",
)  # fmt: skip

#: The colours of what the book measured, and of what the reader did.
BOOK_AND_YOURS = ["var(--chart-7)", "var(--chart-yours)"]


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


def both_records(sources: Sources) -> Iterable[tuple[str, Measurement]]:
    for name, m in (("the book's", sources.book), ("yours", sources.mine)):
        if m is not None:
            yield name, m


def slug(*parts: object) -> str:
    """Such as "rates-02-03": what a figure's files are called."""
    text = "-".join(map(str, parts)).lower().replace("step", "")
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def mark_of(
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


def point_layers(
    encoding: dict[str, Any], values: Sequence[dict[str, Any]], size: int = 90
) -> list[dict[str, Any]]:
    """Filled points, and hollow ones where the generator was the limit; the reader's
    have a ring."""
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
        *ring_layers(encoding, values, 3 * size),
    ]


def ring_layers(
    encoding: dict[str, Any], values: Sequence[dict[str, Any]], size: int
) -> list[dict[str, Any]]:
    """A ring round each point of the reader's: it is told from the book's also where it
    stands alone, and by an eye that sees no difference between the two colours."""
    if not any(value["whose"] == "yours" for value in values):
        return []
    place = {name: how for name, how in encoding.items() if name != "shape"}
    ring = {"type": "point", "shape": "circle", "filled": False, "size": size}
    return [
        {
            "transform": [{"filter": 'datum.whose == "yours"'}],
            "mark": {**ring, "strokeWidth": 1.5, "opacity": 1},
            "encoding": place,
        }
    ]


def line_layers(
    x: dict[str, Any],
    y: dict[str, Any],
    servers: Sequence[str],
    values: Sequence[dict[str, Any]],
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
        *point_layers({**place, "shape": {"field": "server", "scale": shapes}}, values),
    ]


def key_of_lines(servers: Sequence[str], values: Sequence[dict[str, Any]]) -> list[Key]:
    key = [Key(title(s), shape(s), colour(s), series=title(s)) for s in servers]
    if any(value["whose"] == "yours" for value in values):
        key += [Key("the book's", "line"), Key("yours, in rings", "dash")]
    return key + key_of_bounds(values)


def key_of_owners() -> list[Key]:
    book, yours = BOOK_AND_YOURS
    return [Key("the book's", "circle", book), Key("yours", "ringed", yours)]


def key_of_bounds(values: Sequence[dict[str, Any]]) -> list[Key]:
    return [AT_LEAST] if any(value["bound"] for value in values) else []


def log_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """An upright axis of powers of ten; its title is set level, above it."""
    above = [value for value in values if value > 0] or [1]
    low, high = math.floor(math.log10(min(above))), math.ceil(math.log10(max(above)))
    marks = [10.0**n if n < 0 else 10**n for n in range(low, max(high, low + 1) + 1)]
    return {
        "field": "value",
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "domain": [marks[0], marks[-1]]},
        "axis": {**LEVEL_TITLE, "labelExpr": THOUSANDS, "values": marks},
    }


#: Set level, the title of an upright axis needs no reader with a bent neck.
LEVEL_TITLE = {
    "titleAngle": 0,
    "titleAlign": "left",
    "titleAnchor": "start",
    "titleX": -60,
    "titleY": -14,
    # Room for "100 000" in letters wider than those of the machine that drew it.
    "minExtent": 62,
}
#: Thin thousands, as the text writes them.
THOUSANDS = "replace(format(datum.value, ','), /,/g, '\u202f')"


def clients_in_words(n: int) -> str:
    return "1 connection" if n == 1 else f"{n} connections"


#: The room left of a chart of rows for the rows' names.
NAMES_PX = 205


def row_names(width: int) -> dict[str, Any] | None:
    """The axis of a chart of rows: names stand left of them, or in them if narrow."""
    if is_narrow(width):
        return None
    return {
        "title": None,
        "ticks": False,
        "domain": False,
        "labelAlign": "left",
        "labelPadding": NAMES_PX - 5,
        "labelLimit": NAMES_PX - 5,
        "minExtent": NAMES_PX,
        "maxExtent": NAMES_PX,
    }


def plot_px(width: int) -> int:
    """What is left of a chart of rows for the plot."""
    return width - (24 if is_narrow(width) else NAMES_PX + 20)


def names_within(rows: dict[str, Any], field: str, dy: int) -> dict[str, Any]:
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
