"""The book's figures: what each shows of a record, as Vega-Lite.

What is told by a colour is told by a shape, a dash or a word besides. A point where
the load generator was the limit is hollow, and labelled "≥": it is not the server's.
Bars through a point reach from the lowest to the highest repeat.

In: the records (`Sources`), and the names of servers. Out: a `Figure` for
`book/drawing.py`. One module a family; what they share is in `common.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from book.drawing import Figure
from book.figures.against import latency, silent, throughput
from book.figures.bars import compare, cpu, peers, processes, workers
from book.figures.eight import eight, question
from book.figures.regimes import regimes
from book.figures.settled import settled

FIGURES: dict[str, Callable[..., Figure]] = {
    "eight": eight,
    "question": question,
    "throughput": throughput,
    "latency": latency,
    "silent": silent,
    "regimes": regimes,
    "settled": settled,
    "cpu": cpu,
    "peers": peers,
    "workers": workers,
    "processes": processes,
    "compare": compare,
}
