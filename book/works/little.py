"""Little's law: what a fixed wait gives, and what a fixed capacity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from book.drawing import GLYPHS
from book.figures.common import clients_in_words, colour, shape
from book.measures import measured_connections, title
from book.works.common import Materials, Work
from book.works.plane import Plane, drawing, glyph, number, text
from lab.record.model import Generator
from lab.record.quantity import Quantity

#: What the question says of its server with kept sockets (docs/question.md): with so
#: many connections, the lowest and the highest rate, and response times in ms.
QUESTION = ((100, 1500, 2200, 60, 90), (1000, 12_000, 12_000, 60, 90))
#: "About 12 000": so far off, we take it, is still about.
ABOUT = 0.15
#: Waits that have a thin line of their own, for the eye, in ms.
RULED_MS = (1, 10, 100)

_ENDS = (1, 1000)
_RATES = Plane(62, 312, 34, 204, (0.5, 1600), (1, 100_000))
_WAITS = Plane(62, 312, 252, 392, (0.5, 1600), (0.01, 1000))


def little(
    materials: Materials,
    servers: Sequence[str],
    wait: Quantity | float,
    capacity: Quantity,
    latency_by: Generator | None = None,
) -> Work:
    """wait: the fixed wait that it begins with, in ms. capacity: the most requests a
    second, likewise. latency_by: whose latencies, where the page's table has others
    than the rates'."""
    book = materials.sources.book
    assert book is not None
    counts = measured_connections(book, servers)
    wait_ms = round(wait.median if isinstance(wait, Quantity) else wait)
    most = float(f"{capacity.median:.2g}")
    by = book.generator_of(servers, counts)
    measured = {
        server: [
            (
                n,
                book.rate(server, n, generator=by),
                book.latency(server, n, generator=latency_by or by),
            )
            for n in counts
        ]
        for server in servers
    }
    # The script draws the curves of what the reader chooses into these two.
    curves = "".join(
        f'<path data-curve="{kind}-{panel}" d="{plane.line(values)}" '
        f'stroke="var(--chart-ink)" stroke-width="2" {dash}/>'
        for kind, dash in (("wait", ""), ("capacity", 'stroke-dasharray="5 4"'))
        for panel, plane, values in (
            ("rate", _RATES, _rates(kind, wait_ms, most)),
            ("latency", _WAITS, _latencies(kind, wait_ms, most)),
        )
    )
    parts = [
        _RATES.axes("requests a second", counts),
        _WAITS.axes("response time, ms", counts, below="connections"),
        *_rules(),
        curves,
        *_asked(),
    ]
    for server, points in measured.items():
        for n, rate, latency in points:
            for plane, quantity in ((_RATES, rate), (_WAITS, latency)):
                if not quantity.is_missing:
                    x, y = plane.at(n, quantity.median)
                    parts.append(glyph(x, y, shape(server), colour(server)))
    parts += _key(servers)
    said = [
        f"A fixed wait of {wait_ms} ms: the rate rises with the connections, from "
        f"{number(1000 / wait_ms)} a second with one to {number(1e6 / wait_ms)} with "
        f"1000, and the response time is level.",
        f"A fixed capacity of {number(most)} a second: the rate is level, and the "
        f"response time rises with the connections, to {number(1e3 * 1000 / most)} ms "
        "with 1000.",
        "The question: 1500 to 2200 requests a second with 100 connections, about "
        "12 000 with 1000, and 60 to 90 ms with either.",
    ]
    said += [
        f"{title(server)}: "
        + ", ".join(
            f"{rate} a second and {latency} with {clients_in_words(n)}"
            for n, rate, latency in points
        )
        + "."
        for server, points in measured.items()
    ]
    data: dict[str, Any] = {
        "rate": _RATES.data(),
        "latency": _WAITS.data(),
        "ends": _ENDS,
        "wait_ms": wait_ms,
        "capacity": most,
        "question": [
            {"connections": n, "rates": _about(low, high), "ms": [short, long]}
            | {"said": _said(low, high)}
            for n, low, high, short, long in QUESTION
        ],
    }
    names = "-".join(server.removeprefix("step") for server in servers)
    return Work(
        name=f"little-{names}",
        caption="Little's law, as a model: connections = rate × time. Solid: each "
        "request waits for a fixed time. Dashed: the server has a fixed capacity. "
        "Thin: waits of 1, 10 and 100 ms.",
        words=said,
        still=drawing("A fixed wait and a fixed capacity.", 512, parts),
        data=data,
    )


def _rates(kind: str, wait_ms: float, most: float) -> list[tuple[float, float]]:
    if kind == "capacity":
        return [(n, most) for n in _ENDS]
    return [(n, n / wait_ms * 1000) for n in _ENDS]


def _latencies(kind: str, wait_ms: float, most: float) -> list[tuple[float, float]]:
    if kind == "capacity":
        return [(n, n / most * 1000) for n in _ENDS]
    return [(n, wait_ms) for n in _ENDS]


def _rules() -> list[str]:
    """What a wait of 1, 10 or 100 ms gives, as thin lines."""
    parts = []
    for wait in RULED_MS:
        # The shortest of them leaves the plane before a thousand connections.
        far = min(_ENDS[1], _RATES.y[1] * wait / 1000)
        line = _RATES.line([(1, 1000 / wait), (far, far * 1000 / wait)])
        parts.append(f'<path d="{line}" stroke="var(--chart-soft)" stroke-width=".7"/>')
        x, y = _RATES.at(_ENDS[0], 1000 / wait)
        parts.append(text(x + 3, y - 12, f"{wait} ms", "soft"))
    return parts


def _asked() -> list[str]:
    """The question's figures, as bars from the least to the most."""
    parts = []
    for n, low, high, short, long in QUESTION:
        for plane, ends in ((_RATES, (low, high)), (_WAITS, (short, long))):
            (x, first), (_, last) = (plane.at(n, end) for end in ends)
            if first - last < 6:
                first, last = first + 3, last - 3
            parts.append(
                f'<path d="M{x - 8:g} {first:g}h16M{x - 8:g} {last:g}h16M{x:g} '
                f'{first:g}V{last:g}" stroke="var(--chart-5)" stroke-width="2"/>'
            )
    return parts


def _key(servers: Sequence[str]) -> list[str]:
    ink, question = "var(--chart-ink)", "var(--chart-5)"
    entries = [
        ("a fixed wait", f'd="M0 7h14" stroke="{ink}"'),
        ("a fixed capacity", f'd="M0 7h5m4 0h5" stroke="{ink}"'),
        ("the question's figures", f'd="M2 2h10M2 12h10M7 2v10" stroke="{question}"'),
    ]
    entries += [
        (
            title(server),
            f'd="{GLYPHS[shape(server)]}" fill="{colour(server)}" '
            f'stroke="{colour(server)}"',
        )
        for server in servers
    ]
    parts = []
    for place, (said, how) in enumerate(entries):
        x, y = 4 + place % 2 * 172, 440 + place // 2 * 22
        parts.append(
            f'<path {how} stroke-width="2" transform="translate({x} {y})"/>'
            + text(x + 20, y + 11.5, said)
        )
    return parts


def _about(low: float, high: float) -> list[float]:
    if low < high:
        return [low, high]
    return [round(low * (1 - ABOUT)), round(high * (1 + ABOUT))]


def _said(low: float, high: float) -> str:
    if low < high:
        return f"{number(low)}–{number(high)}"
    return f"about {number(low)}"
