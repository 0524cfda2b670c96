"""The picture that stands beside a link to the book where somebody shares it.

It is drawn from the record, as every figure is: what the question's server answers
without keep-alive, and with it.
"""

from __future__ import annotations

import html

from book.drawing import in_colours
from book.drawn import Sources
from lab.record.measurement import Measurement
from lab.record.quantity import THIN_SPACE

WIDTH, HEIGHT = 1200, 630
#: The server that closes, and the last of those that keep.
CLOSES, KEEPS = "step02", "step06"
CONNECTIONS = 100
_BAR_PX = 1040


def words(sources: Sources) -> str:
    """What the picture shows, for whom does not see it."""
    if sources.book is None:
        return "Requests a second, without keep-alive and with it."
    closes, keeps = _rates(sources.book)
    return (
        f"Without keep-alive {_grouped(closes)} requests a second, with it "
        f"{_grouped(keeps)}, and no thread is busy."
    )


def picture(sources: Sources) -> str | None:
    """As SVG; None where nothing was measured."""
    if sources.book is None:
        return None
    closes, keeps = _rates(sources.book)
    rows = (
        (276, closes, "1", "closes each connection after its response"),
        (430, keeps, "3", "keeps it, for the same work"),
    )
    bars = "".join(
        f'<rect x="80" y="{y}" height="44" rx="3" fill="var(--chart-{colour})" '
        f'width="{_BAR_PX * rate / closes:.0f}"/>'
        + _text(80, y - 22, 54, "ink", _grouped(rate), bold=True)
        + _text(300, y - 22, 30, "soft", said)
        for y, rate, colour, said in rows
    )
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="var(--chart-paper)"/>'
        + _text(80, 96, 40, "ink", "Why keep-alive made a server", bold=True)
        + _text(80, 144, 40, "ink", "ten times slower", bold=True)
        + bars
        + _text(80, 560, 40, "ink", "… and no thread is busy.", bold=True)
        + _text(1120, 560, 24, "soft", "requests a second", anchor="end")
        + "</svg>"
    )
    return in_colours(drawn, "light")


def png(drawing: str) -> bytes:
    """The sites that show cards take no SVG."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(drawing))


def _rates(m: Measurement) -> tuple[int, int]:
    """Side by side stands what one generator measured."""
    by = m.generator_of([CLOSES, KEEPS], [CONNECTIONS])
    closes, keeps = (
        _rounded(m.rate(server, CONNECTIONS, generator=by).median)
        for server in (CLOSES, KEEPS)
    )
    return closes, keeps


def _rounded(number: float) -> int:
    """To three digits, as the book's text has it."""
    return round(float(f"{number:.2e}"))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", THIN_SPACE)


def _text(
    x: int,
    y: int,
    size: int,
    colour: str,
    text: str,
    *,
    bold: bool = False,
    anchor: str = "start",
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}"{weight} '
        f'font-family="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif" '
        f'fill="var(--chart-{colour})">{html.escape(text)}</text>'
    )
