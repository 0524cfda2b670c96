"""Draw it first: the reader says what a server will give before it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from book.figures.common import clients_in_words
from book.measures import CASE, measured_connections, title
from book.works.common import Materials, Work
from book.works.plane import WIDTH_PX, Plane, drawing, number, text
from lab.record.measurement import Measurement
from lab.record.model import Generator
from lab.record.quantity import Quantity

#: Where the chapters ask for a guess.
ASKED = ("step01", "step03", "step04", "step06", "step07", "step08")
#: Under this and a step's name a browser keeps the guess.
STORE = "web-servers-guess-"
#: The axis has no measured end, which would tell how the line runs.
RATES = (1.0, 100_000.0)
#: Labels of lines that begin closer together than this share one.
_NEAR_PX = 11


def guess(
    materials: Materials,
    step: str,
    generator: Generator | None = None,
    model: bool = False,
) -> Work:
    """Empty axes, with the earlier servers. generator: whose figures the page has.
    model: show what a mutex would give, too."""
    book, mine = materials.sources.book, materials.sources.mine
    assert book is not None
    counts = measured_connections(book, [step])
    earlier = CASE[: CASE.index(step)]
    by = generator or book.generator_of([*earlier, step], counts)
    lines = {
        server: [book.rate(server, n, generator=by) for n in counts]
        for server in earlier
    }
    measured = [book.rate(step, n, generator=by) for n in counts]
    plane = _plane(mine, step, counts)
    parts = [plane.axes("requests a second", counts, below="connections")]
    for rates in lines.values():
        parts.append(_grey_line(plane, counts, rates))
    parts += _names(plane, counts, lines)
    words = [
        "Axes without a line for this server: 1 to 1000 connections, and 1 to "
        "100 000 requests a second, each mark ten times the one before it."
    ]
    words += [f"{title(s)}: {_in_words(counts, rates)}." for s, rates in lines.items()]
    data: dict[str, Any] = {
        "store": STORE + step,
        "plane": plane.data(),
        "connections": counts,
        "server": title(step),
        "measured": _points(measured),
        "mine": _mine(mine, step, counts),
    }
    if model:
        data["model"] = _a_mutex(counts, measured)
    return Work(
        name=f"guess-{step.removeprefix('step')}",
        caption="Draw it first: how many requests a second, with so many connections? "
        "Each mark of the axes is ten times the one before it. Grey: earlier servers.",
        words=words,
        still=drawing(f"Empty axes, to draw {title(step)} in.", 312, parts),
        data=data,
    )


def guesses(materials: Materials) -> Work:
    """What was measured of every step that a guess was asked for, up to the cure."""
    book = materials.sources.book
    assert book is not None
    steps = ASKED[: ASKED.index("step07") + 1]
    counts = measured_connections(book, steps)
    by = book.generator_of(steps, counts)
    parts, panels, words = [], [], []
    height = 166
    for place, step in enumerate(steps):
        rates = [book.rate(step, n, generator=by) for n in counts]
        top = 42 + place // 2 * height
        left = 8 + place % 2 * (WIDTH_PX // 2)
        plane = Plane(left, left + 138, top, top + 104, (0.7, 1400), RATES)
        parts.append(text(left, top - 18, f"{step.removeprefix('step')}", "ink"))
        parts.append(_small_axes(plane, counts))
        parts.append(_measured_line(plane, counts, rates))
        panels.append(
            {
                "store": STORE + step,
                "server": title(step),
                "plane": plane.data(),
                "measured": _points(rates),
            }
        )
        words.append(f"{title(step)}: {_in_words(counts, rates)}.")
    rows = (len(steps) + 1) // 2
    return Work(
        name="guesses",
        caption="What was measured, of the steps that you have drawn first: requests "
        "a second against connections.",
        words=words,
        still=drawing("What was measured of five steps.", rows * height, parts),
        data={"connections": counts, "panels": panels},
    )


def _plane(mine: Measurement | None, step: str, counts: Sequence[int]) -> Plane:
    top = RATES[1]
    if mine is not None:
        while any(mine.rate(step, n).median > top for n in counts):
            top *= 10
    return Plane(62, 312, 34, 264, (0.12, 1500), (RATES[0], top))


def _grey_line(plane: Plane, counts: Sequence[int], rates: Sequence[Quantity]) -> str:
    values = [(n, q.median) for n, q in zip(counts, rates, strict=True)]
    dots = "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="2.5" fill="var(--chart-soft)"/>'
        for x, y in plane.places(values)
    )
    return (
        f'<path d="{plane.line(values)}" stroke="var(--chart-soft)" '
        f'stroke-opacity="0.6"/>{dots}'
    )


def _names(
    plane: Plane, counts: Sequence[int], lines: dict[str, list[Quantity]]
) -> list[str]:
    """The steps' numbers where their lines begin; those of neighbours together."""
    begins = sorted(
        (plane.at(counts[0], rates[0].median), server.removeprefix("step"))
        for server, rates in lines.items()
    )
    begins.sort(key=lambda begin: begin[0][1])
    groups: list[tuple[list[str], list[float]]] = []
    for (_, y), name in begins:
        if groups and y - groups[-1][1][-1] < _NEAR_PX:
            groups[-1][0].append(name)
            groups[-1][1].append(y)
        else:
            groups.append(([name], [y]))
    x, _ = plane.at(counts[0], 1)
    return [
        text(x - 7, sum(ys) / len(ys) + 4, ", ".join(sorted(names)), "soft", "end")
        for names, ys in groups
    ]


def _small_axes(plane: Plane, counts: Sequence[int]) -> str:
    parts = []
    for value in (1, 1000, 100_000):
        _, y = plane.at(1, value)
        parts.append(
            f'<path d="M{plane.left:g} {y:g}H{plane.right:g}" '
            'stroke="var(--chart-grid)"/>'
            + text(plane.left, y - 3, number(value), "soft")
        )
    for count in counts:
        x, _ = plane.at(count, 1)
        parts.append(text(x, plane.bottom + 15, number(count), "soft", "middle"))
    return "".join(parts)


def _measured_line(
    plane: Plane, counts: Sequence[int], rates: Sequence[Quantity]
) -> str:
    values = [(n, q.median) for n, q in zip(counts, rates, strict=True)]
    dots = "".join(
        f'<circle cx="{x:g}" cy="{y:g}" r="3" fill="var(--chart-7)"/>'
        for x, y in plane.places(values)
    )
    line = plane.line(values)
    return f'<path d="{line}" stroke="var(--chart-7)" stroke-width="2"/>{dots}'


def _in_words(counts: Sequence[int], rates: Sequence[Quantity]) -> str:
    said = [
        f"{rate} with {clients_in_words(n)}"
        for n, rate in zip(counts, rates, strict=True)
    ]
    return f"requests a second, {', '.join(said)}"


def _points(rates: Sequence[Quantity]) -> list[dict[str, Any] | None]:
    """What the script draws and says; null where nothing was measured."""
    return [
        None
        if rate.is_missing or rate.bound == "?"
        else {
            "value": rate.median,
            "low": rate.median if rate.bound else rate.low,
            "high": rate.median if rate.bound else rate.high,
            "bound": rate.bound,
            "label": str(rate),
            "spread": "" if rate.spread() == str(rate) else rate.spread(),
        }
        for rate in rates
    ]


def _mine(
    mine: Measurement | None, step: str, counts: Sequence[int]
) -> list[dict[str, Any] | None] | None:
    if mine is None:
        return None
    by = mine.generator_of([step], counts)
    points = _points([mine.rate(step, n, generator=by) for n in counts])
    return points if any(points) else None


def _a_mutex(counts: Sequence[int], measured: Sequence[Quantity]) -> dict[str, Any]:
    """If a mutex let as many through as were measured with 100 clients, it would let
    no more through with more of them, and hardly fewer with less."""
    anchor = 100
    most = measured[counts.index(anchor)]
    held = 1 / most
    return {
        "rate": most.median,
        "label": str(most),
        "said": f"Model: a mutex that lets {most} a second through with "
        f"{clients_in_words(anchor)}, because each request holds it for {held}, lets "
        "as many through with any number of them.",
    }
