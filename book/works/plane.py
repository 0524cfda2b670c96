"""A plane of two logarithmic axes, drawn by hand: the scripts draw into it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from book.drawing import GLYPHS
from lab.record.quantity import THIN_SPACE

#: A drawing that is no wider is legible on a phone.
WIDTH_PX = 320


@dataclass(frozen=True)
class Plane:
    """Where the axes lie. x, y: their lowest and highest values, powers of ten."""

    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a value, within the axes."""
        across = _share(x, self.x) * (self.right - self.left)
        up = _share(y, self.y) * (self.bottom - self.top)
        return round(self.left + across, 1), round(self.bottom - up, 1)

    def line(self, values: Sequence[tuple[float, float]]) -> str:
        """A path through values."""
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in self.places(values))

    def places(
        self, values: Iterable[tuple[float, float]]
    ) -> list[tuple[float, float]]:
        return [self.at(x, y) for x, y in values]

    def axes(self, title: str, counts: Sequence[int], *, below: str = "") -> str:
        """Grid, marks and titles. below: what stands under the level axis."""
        parts = [text(4, self.top - 14, title, "soft")]
        for value in powers(*self.y):
            _, y = self.at(self.x[0], value)
            parts.append(
                f'<path d="M{self.left:g} {y:g}H{self.right:g}" '
                'stroke="var(--chart-grid)"/>'
            )
            parts.append(text(self.left - 6, y + 4, number(value), "soft", "end"))
        for count in counts:
            x, _ = self.at(count, self.y[0])
            parts.append(
                f'<path d="M{x:g} {self.bottom:g}v5" stroke="var(--chart-soft)"/>'
            )
            if below:
                said = number(count)
                parts.append(text(x, self.bottom + 18, said, "soft", "middle"))
        if below:
            middle = (self.left + self.right) / 2
            parts.append(text(middle, self.bottom + 34, below, "soft", "middle"))
        return "".join(parts)

    def data(self) -> dict[str, object]:
        """For the script."""
        return {
            "left": self.left,
            "right": self.right,
            "top": self.top,
            "bottom": self.bottom,
            "x": self.x,
            "y": self.y,
        }


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = (math.log10(end) for end in ends)
    return (math.log10(max(value, ends[0])) - low) / (high - low)


def powers(low: float, high: float) -> list[float]:
    first, last = round(math.log10(low)), round(math.log10(high))
    return [10.0**n for n in range(first, last + 1)]


def number(value: float) -> str:
    said = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return said.replace(",", THIN_SPACE)


def text(
    x: float,
    y: float,
    said: str,
    colour: str = "ink",
    anchor: str = "start",
    more: str = "",
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" '
        f'fill="var(--chart-{colour})" {more}>{html.escape(said)}</text>'
    )


def glyph(x: float, y: float, shape: str, colour: str, more: str = "") -> str:
    """A mark, as it is in the book's other figures."""
    return (
        f'<path d="{GLYPHS[shape]}" transform="translate({x - 7:g} {y - 7:g})" '
        f'fill="{colour}" stroke="{colour}" stroke-width="1.5" {more}/>'
    )


def drawing(name: str, height: int, parts: Iterable[str]) -> str:
    """name: what the picture is of, for whom does not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" '
        f'width="{WIDTH_PX}" height="{height}" role="img" '
        f'aria-label="{html.escape(name)}" font-family="system-ui, sans-serif" '
        f'font-size="12.5" fill="none"><g class="still" aria-hidden="true">'
        f"{''.join(parts)}</g></svg>"
    )
