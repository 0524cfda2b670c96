"""Bars from zero, a row a server or a kind of work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import Any

from book.drawing import Figure, Key, is_narrow
from book.drawn import Sources
from book.figures.common import (
    BOOK_AND_YOURS,
    THOUSANDS,
    both_records,
    clients_in_words,
    key_of_bounds,
    mark_of,
    names_within,
    plot_px,
    row_names,
    slug,
)
from book.measures import title
from book.tables import cell
from lab.load.kinds import Headers
from lab.record.measurement import Measurement
from lab.record.names import ONE_PROCESS, TWO_PROCESSES
from lab.record.quantity import Quantity
from lab.record.versus import ACTIVE, SPIN, Versus

#: The opacity of the second kind of bar, which has an outline.
_PALE = 0.35
#: How wide a letter of an axis' title is, at most.
_LETTER_PX = 7

Question = tuple[str, str, Callable[[Measurement], Quantity]]


def cpu(sources: Sources, servers: Sequence[str], connections: int = 100) -> Figure:
    """How busy each server is."""

    def question(server: str) -> Question:
        return server, "", lambda m: m.cpu(server, connections)

    return _bars(
        sources,
        [question(server) for server in servers],
        axis="CPU of the server, % of one core",
        name=slug("cpu", *servers, connections),
        title=f"The server's CPU with {clients_in_words(connections)}.",
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
        name=slug("peers", *servers, connections, *options.values()),
        title=f"Throughput side by side with {clients_in_words(connections)}.",
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
        name=slug("workers", step, connections),
        title=f"What four workers give, with {clients_in_words(connections)}.",
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
        name=slug("processes", connections),
        title=f"What a second process gives, with {clients_in_words(connections)}.",
        caption="1 means that the second process changes nothing; 2 is all it could.",
    )


def compare(sources: Sources, connections: int = ACTIVE) -> Figure:
    """All servers of the comparison side by side, likewise."""
    beside = Sources(
        sources.book and sources.book.compare, sources.mine and sources.mine.compare
    )
    servers = Versus(beside.book).titles if beside.book else ()
    figure = peers(beside, list(servers), connections)
    return replace(figure, name=slug("compare", connections))


def _key_of(series: str) -> Key:
    """The reader's bars have a pattern: in grey, the two colours are one."""
    yours, pale = series.startswith("yours"), series.endswith("browser headers")
    colour = BOOK_AND_YOURS[yours]
    if yours:
        return Key(series, "striped" if pale else "hatched", colour)
    return Key(series, "bar", colour, _PALE if pale else 1)


def _fill_of(series: str) -> str:
    key = _key_of(series)
    return key.colour if key.glyph == "bar" else f"url(#{key.glyph}-yours)"


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
        for whose, m in both_records(sources):
            quantity = ask(m)
            if quantity.is_missing and whose == "yours":
                continue
            kind = ", ".join(filter(None, (whose, variant)))
            rows.append([title(server), kind, cell(quantity), quantity.spread()])
            if not quantity.is_missing and quantity.bound != "?":
                pale = variant.startswith("browser")
                values.append(mark_of(server, whose, quantity, series=kind, pale=pale))
    names = list(dict.fromkeys(title(server) for server, _, _ in questions))
    series = list(dict.fromkeys(v["series"] for v in values))
    key = [_key_of(s) for s in series if len(series) > 1]
    key += key_of_bounds(values)

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        several = len(series) > 1
        top = max((v["high"] for v in values), default=1)
        x = {
            "field": "value",
            "type": "quantitative",
            "title": wrap(axis, plot_px(width) // _LETTER_PX),
            # Room for the number at the end of the longest bar.
            "scale": {"domain": [0, top * (1.4 if narrow else 1.2)], "nice": False},
            "axis": {"tickCount": 4, "labelExpr": THOUSANDS},
        }
        paint = {
            "field": "series",
            "scale": {
                "domain": series,
                "range": [BOOK_AND_YOURS[s.startswith("yours")] for s in series],
            },
        }
        filled = {"domain": series, "range": [_fill_of(s) for s in series]}
        bar = {
            "x": x,
            "fill": {"field": "series", "scale": filled},
            "stroke": paint,
            "description": {"field": "said"},
        }
        pale = "datum.pale && datum.whose != 'yours'"
        kinds: dict[str, dict[str, Any]] = {
            f"!datum.bound && !({pale})": {},
            f"!datum.bound && {pale}": {"fillOpacity": _PALE},
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
            *(
                # A line without an end would seem to go on through the number.
                {
                    "mark": {"type": "tick", "color": "var(--chart-ink)", "size": 8},
                    "encoding": {"x": {**x, "field": end}},
                }
                for end in ("low", "high")
            ),
            {
                "mark": {"type": "text", "align": "left", "dx": 11},
                "encoding": {"x": {**x, "field": "high"}, "text": {"field": "label"}},
            },
        ]
        y: dict[str, Any] = {
            "field": "server",
            "type": "nominal",
            "sort": names,
            "axis": row_names(width),
            "scale": {
                "paddingInner": 0.5 if narrow else 0.3,
                "paddingOuter": 0.5 if narrow else 0.2,
            },
        }
        if narrow and series:
            first = {"transform": [{"filter": f'datum.series == "{series[0]}"'}]}
            layers.append(names_within(first, "server", -20))
        offset = {"yOffset": {"field": "series", "sort": series}} if several else {}
        return {
            "data": {"values": values},
            "width": plot_px(width),
            "height": {"step": 24 if several else 42 if narrow else 28},
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
