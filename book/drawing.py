"""From a figure's specification to SVG: for a page of the site, and for a file.

A figure is drawn when the site is built, so that it needs no script to be seen. Each is
drawn twice, wide and narrow, and the style sheet shows the one that fits: letters are
legible on a phone. Colours are names (`var(--chart-3)`), which the style sheet turns
into light or dark ones; in the files for a repository browser they stand as such.

The key (what a colour, a shape or a dash means) is text beside the drawing, so that it
wraps as text does; in a file it is drawn above. Each mark says in a `<title>` what it
shows. With a script (docs/assets/figures.js) that is shown at once, and the entries of
the key hide and show what they stand for.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WIDE_PX = 700
NARROW_PX = 340

#: The names that the style sheet knows (docs/assets/book.css), and what they are in a
#: file that has no style sheet. Contrast with the page is at least 3 to 1.
COLOURS = {
    "ink": ("#1f2933", "#e4e7eb"),
    "soft": ("#52606d", "#a7b1bd"),
    "grid": ("#dde3e9", "#39424e"),
    "paper": ("#ffffff", "#14181d"),
    "yours": ("#b4450a", "#ffab70"),
    "1": ("#6b7683", "#98a3b0"),
    "2": ("#323f4b", "#d5dbe1"),
    "3": ("#c2410c", "#fb8f57"),
    "4": ("#946200", "#e3b341"),
    "5": ("#a21c6e", "#f08cc4"),
    "6": ("#7a2e2e", "#d98c8c"),
    "7": ("#0b62a8", "#6cb6ff"),
    "8": ("#0b7a5a", "#4fcf9f"),
}

#: What stands for a series in the key, within 14 by 14. Names of shapes are Vega's.
GLYPHS = {
    "circle": "M7 3a4 4 0 1 0 .01 0z",
    "square": "M3 3h8v8h-8z",
    "cross": "M5 2h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    "diamond": "M7 1l4 6l-4 6l-4 -6z",
    "triangle-up": "M7 2l5 9h-10z",
    "triangle-down": "M7 12l5 -9h-10z",
    "triangle-right": "M12 7l-9 5v-10z",
    "triangle-left": "M2 7l9 5v-10z",
    "line": "M0 7h14",
    "dash": "M0 7h5m4 0h5",
    "dots": "M0 7h2m2 0h2m2 0h2m2 0h2",
    "bar": "M1 4h12v6h-12z",
    "ringed": "M7 1.5a5.5 5.5 0 1 0 .01 0zM7 5.5a1.5 1.5 0 1 0 .01 0z",
}
_STROKED = ("line", "dash", "dots", "ringed")

#: The same for bars of other heights, and for those that are filled with a pattern.
BAR_GLYPHS = {
    "tick": "M6 1h3v12h-3z",
    "thin": "M1 6h12v2h-12z",
    "tall": "M1 2h12v10h-12z",
    "hatched": "M1 2h12v10h-12zM1 8l6 -6M1 12l10 -10M5 12l8 -8M10 12l3 -3",
    "striped": "M1 4h12v6h-12zM4 4v6M7 4v6M10 4v6",
    "crossed": "M1 2h12v10h-12zM1 7h12M5 2v10M9 2v10",
}
#: Patterns, `url(#NAME-COLOUR)` as a fill: how they are turned, and what is repeated in
#: a square of 6 by 6.
PATTERNS = {
    "hatched": ("rotate(45)", "M1 0v6"),
    "striped": ("rotate(0)", "M1 0v6"),
    "crossed": ("rotate(0)", "M1 0v6M0 1h6"),
}

#: Between the name of a series and what the pointer sees, in a mark's description.
MARK = " ¦ "


@dataclass(frozen=True)
class Key:
    """One entry of the key.

    series: what the marks it stands for are named, if it can hide them.
    """

    text: str
    glyph: str
    colour: str = "var(--chart-soft)"
    fill: float = 1.0
    series: str = ""

    def drawn(self) -> str:
        path = f'<path d="{(GLYPHS | BAR_GLYPHS)[self.glyph]}"'
        if self.glyph in (*_STROKED, *PATTERNS):
            return f'{path} fill="none" stroke="{self.colour}" stroke-width="2"/>'
        return (
            f'{path} fill="{self.colour}" fill-opacity="{self.fill:g}" '
            f'stroke="{self.colour}" stroke-width="1.5"/>'
        )


#: Where a figure has a point that is only a bound.
AT_LEAST = Key("hollow: at least, the load generator was the limit", "circle", fill=0)


@dataclass(frozen=True)
class Figure:
    """What to draw, and the same in words.

    name: of the files in docs/figures/, so it is unique.
    layout: the Vega-Lite specification for a width in pixels.
    header, rows: the figure as a table.
    """

    name: str
    title: str
    caption: str
    layout: Callable[[int], dict[str, Any]]
    key: Sequence[Key]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Sentences that stand before the table.
    notes: Sequence[str] = ()

    def stamp(self) -> str:
        """Says what was drawn, so that a file can be seen to be out of date on a
        machine whose fonts are not the ones it was drawn with."""
        drawn = [self.layout(WIDE_PX), [vars(key) for key in self.key]]
        text = json.dumps(drawn, sort_keys=True)
        return "drawn from " + hashlib.sha256(text.encode()).hexdigest()[:16]


def is_narrow(width: int) -> bool:
    return width < 500


def svg(figure: Figure, width: int) -> str:
    """The figure with named colours."""
    import vl_convert

    spec = figure.layout(width) | {"config": _config()}
    drawn = str(vl_convert.vegalite_to_svg(spec, vl_version="6.4"))
    # Vega describes each mark for readers of the screen. Here the whole is one image
    # with one description and a table, and each mark says its part to the pointer.
    drawn = re.sub(r' (?:role|aria-roledescription)="[^"]*"', "", drawn)
    drawn = re.sub(
        rf'<(path|line|text)([^>]*) aria-label="([^"]*){MARK}([^"]*)"([^>]*)/>',
        r'<\1\2\5 data-series="\3"><title>\4</title></\1>',
        drawn,
    )
    drawn = re.sub(r' aria-(?:label|hidden)="[^"]*"', "", drawn)
    drawn = drawn.replace("<g ", f"{_patterns(drawn)}<g ", 1)
    # Two drawings of one page must not share the names of their clipping paths.
    prefix = f"{figure.name}-{width}-"
    drawn = re.sub(r'\bid="', f'id="{prefix}', drawn)
    drawn = drawn.replace("url(#", f"url(#{prefix}")
    label = html.escape(figure.title)
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _patterns(drawn: str) -> str:
    """The patterns that a drawing uses."""
    used = sorted(set(re.findall(r"url\(#((\w+)-(\w+))\)", drawn)))
    found = "".join(
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="{PATTERNS[pattern][0]}">'
        '<path d="M0 0h6v6h-6z" fill="var(--chart-paper)"/>'
        f'<path d="{PATTERNS[pattern][1]}" stroke="var(--chart-{colour})" '
        'stroke-width="2"/></pattern>'
        for name, pattern, colour in used
        if pattern in PATTERNS
    )
    return f"<defs>{found}</defs>" if found else ""


def inline_figure(figure: Figure, table: str) -> str:
    """For a page of the site: key, both widths, caption, and the same as a table."""
    import markdown

    caption = markdown.markdown(figure.caption).removeprefix("<p>")
    caption = caption.removesuffix("</p>")
    entries = "".join(
        f'<li data-series="{html.escape(key.series)}">'
        f'<svg viewBox="0 0 14 14" aria-hidden="true">{key.drawn()}</svg>'
        f"<span>{html.escape(key.text)}</span></li>"
        for key in figure.key
    )
    notes = "".join(f"<p>{html.escape(note)}.</p>" for note in figure.notes)
    shown_key = f'<ul class="chart-key">{entries}</ul>' if entries else ""
    return (
        f'<figure class="chart">{shown_key}'
        f'<div class="chart-wide">{svg(figure, WIDE_PX)}</div>'
        f'<div class="chart-narrow">{svg(figure, NARROW_PX)}</div>'
        f"<figcaption>{caption}</figcaption>"
        f'<details class="chart-data"><summary>The figure in numbers</summary>{notes}'
        f"{table}</details></figure>"
    )


def standalone_svg(figure: Figure, scheme: str) -> str:
    """For a repository browser: a file of one colour scheme."""
    drawn = svg(figure, WIDE_PX)
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', drawn)
    assert size is not None
    width, height = float(size[1]), float(size[2])
    row = 20
    top = row * len(figure.key) + (10 if figure.key else 0)
    key = "".join(
        f'<g transform="translate(8,{8 + row * n})">{entry.drawn()}'
        f'<text x="22" y="11.5" font-family="system-ui, sans-serif" font-size="13" '
        f'fill="var(--chart-ink)">{html.escape(entry.text)}</text></g>'
        for n, entry in enumerate(figure.key)
    )
    inner = drawn.replace("<svg ", f'<svg y="{top}" ', 1)
    label = html.escape(figure.title)
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" '
        f'height="{height + top:g}" viewBox="0 0 {width:g} {height + top:g}" '
        f'role="img" aria-label="{label}"><!-- {figure.stamp()} -->'
        f'<rect width="100%" height="100%" fill="var(--chart-paper)"/>'
        f"{key}{inner}</svg>"
    )
    return in_colours(whole, scheme) + "\n"


def in_colours(drawing: str, scheme: str) -> str:
    """A drawing whose colours are names, in those of a scheme, "light" or "dark"."""
    for name, (light, dark) in COLOURS.items():
        value = light if scheme == "light" else dark
        drawing = drawing.replace(f"var(--chart-{name})", value)
    return drawing


def _config() -> dict[str, Any]:
    ink, soft, grid = (f"var(--chart-{name})" for name in ("ink", "soft", "grid"))
    size = 13
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            "labelColor": soft,
            "titleColor": soft,
            "gridColor": grid,
            "domainColor": grid,
            "tickColor": grid,
            "labelLimit": 260,
            "labelFontSize": size,
            "titleFontSize": size,
            "titleFontWeight": "normal",
        },
        "legend": {"disable": True},
        "header": {"labelColor": ink, "labelFontSize": size, "title": None},
        "text": {"color": ink, "fontSize": size},
    }
