"""The figures to work: what each shows of the records and the traces.

In: `Materials`, and what the page says. Out: a `Work` for `book/work.py`. One module a
figure; its script is docs/assets/work/NAME.js.
"""

from __future__ import annotations

from book.works.common import Draw
from book.works.guess import guess, guesses
from book.works.ladder import ladder
from book.works.little import little
from book.works.tanks import tanks
from book.works.watch import watch

WORKS: dict[str, Draw] = {
    "guess": guess,
    "guesses": guesses,
    "ladder": ladder,
    "little": little,
    "tanks": tanks,
    "watch": watch,
}
