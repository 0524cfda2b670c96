"""Tables in a window that is narrower than they are.

Rich would cut every cell until nothing can be read. Here a table has fewer columns, and
a line below it says which are missing. The names, which are the first column, and one
figure always stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table

#: What the box puts between two columns, and before the first and after the last.
BETWEEN, AROUND = 3, 2


def new_table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        pad_edge=False,
    )


def needed(table: Table) -> int:
    """How many characters wide it has to be: words may be wrapped, figures not."""
    widths = map(_width, table.columns)
    return sum(widths) + BETWEEN * (len(table.columns) - 1) + AROUND


def fitted(
    table: Table, console: Console, dispensable: Sequence[str] = ()
) -> Iterator[Table | str]:
    """The table as it fits, and what to say if that is not all of it.

    dispensable: headers, those that are missed least first; all others follow, from the
    right.
    """
    whole = needed(table)
    headers = [str(column.header) for column in table.columns[:0:-1]]
    order = sorted(headers, key=lambda header: _rank(header, dispensable))
    left_out: list[str] = []
    while len(order) > 1 and needed(table) > console.width:
        left_out.append(order.pop(0))
        table = _without(table, left_out[-1])
    yield table
    if left_out:
        names = ", ".join(header or "what each is" for header in left_out)
        yield f"no space for: {names}; a window {whole} characters wide has it"


def _width(column: Column) -> int:
    texts = [str(column.header), *map(str, column.cells)]
    separator = "\n" if column.no_wrap else None
    return max(
        (cell_len(part) for t in texts for part in t.split(separator)), default=0
    )


def _rank(header: str, dispensable: Sequence[str]) -> int:
    return dispensable.index(header) if header in dispensable else len(dispensable)


def _without(table: Table, header: str) -> Table:
    kept = [column for column in table.columns if column.header != header]
    fewer = new_table(str(table.title))
    for column in kept:
        fewer.add_column(
            column.header,
            justify=column.justify,
            no_wrap=column.no_wrap,
            min_width=_width(column) if column is kept[0] else None,
        )
    for cells in zip(*(column.cells for column in kept), strict=True):
        fewer.add_row(*cells)
    return fewer
