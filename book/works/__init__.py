"""The figures to work: what each shows of the records and the traces.

In: `Materials`, and what the page says. Out: a `Work` for `book/work.py`. One module a
figure; its script is docs/assets/work/NAME.js.
"""

from __future__ import annotations

from book.works.common import Draw
from book.works.ladder import ladder

WORKS: dict[str, Draw] = {
    "ladder": ladder,
}
