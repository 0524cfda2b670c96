"""Tables of plain text, for a repository browser and for the site."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

from book.drawn import Drawn
from lab.record.quantity import Quantity

#: So many figures have room beside one another on a phone, under heads of their own.
MOST_BESIDE = 5

#: A table with more rows is laid out when it comes into view.
MOST_ROWS = 20

#: Whether a cell holds words -> how the site's style sheet knows it.
_KIND = {True: ' class="words"', False: ""}


@dataclass(frozen=True)
class Row:
    head: str
    cells: Sequence[str]
    yours: bool = False
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table of plain text. Rows of the reader's stand under the book's."""

    header: Sequence[str]
    rows: Sequence[Row]
    label: str
    #: Said above it: what its numbers are.
    caption: str = ""
    #: Columns of words, from the left; the others are of figures.
    words: int = 1

    def markdown(self) -> str:
        # The column of names is set left, figures right: that is how digits compare.
        lines = [f"{self.caption}:", ""] if self.caption else []
        lines.append("| " + " | ".join(map(_in_cell, self.header)) + " |")
        figures = len(self.header) - self.words
        lines.append("|" + "---|" * self.words + "--:|" * figures)
        for row in self.rows:
            anchor = f'<a id="{row.anchor}"></a>' if row.anchor else ""
            cells = [anchor + _in_cell(row.head), *map(_in_cell, row.cells)]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def html(self) -> str:
        head = "".join(
            f'<th{_KIND[0 < number < self.words]} scope="col">{html.escape(h)}</th>'
            if h
            else f"<td{_KIND[0 < number < self.words]}></td>"
            for number, h in enumerate(self.header)
        )
        body = []
        for row in self.rows:
            name = f' id="{row.anchor}"' if row.anchor else ""
            kind = ' class="yours"' if row.yours else ""
            # On a phone the claims stand below one another, each with its head.
            words = self.words - 1
            cells = "".join(
                f'<td{_KIND[number < words]} data-head="{html.escape(head)}">'
                f"{html.escape(cell)}</td>"
                for number, (head, cell) in enumerate(
                    zip(self.header[1:], row.cells, strict=True)
                )
            )
            first = f'<th scope="row">{html.escape(row.head)}</th>'
            body.append(f"<tr{name}{kind}>{first}{cells}</tr>")
        label = html.escape(self.label)
        caption = f"<caption>{self.caption}</caption>" if self.caption else ""
        # On a phone the figures stand below their row's name, as wide as the page.
        beside = len(self.header) - 1
        columns = f' style="--columns: {beside}"'
        many = " many" if beside > MOST_BESIDE else ""
        kind, rows = "table", len(self.rows)
        if rows > MOST_ROWS:
            kind, columns = (
                "table long",
                f' style="--columns: {beside}; --rows: {rows}"',
            )
        return (
            f'<div class="{kind}" role="group" tabindex="0" aria-label="{label}">'
            f'<table class="figures{many}"{columns}>'
            f"{caption}<thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )

    def drawn(self) -> Drawn:
        book_only = replace(self, rows=[row for row in self.rows if not row.yours])
        return Drawn(repository=book_only.markdown, site=self.html)


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")


def cell(quantity: Quantity) -> str:
    return "–" if quantity.is_missing else str(quantity)
