"""What the figures to work have in common: what one is, and what it is drawn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book.drawn import Sources
from lab.paths import ROOT, TRACES


class NotRecordedError(Exception):
    """What the figure is drawn from is not there yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not recorded yet")
        self.path = path


@dataclass(frozen=True)
class Materials:
    """What a figure may be drawn from: the records, and the traces."""

    sources: Sources
    root: Path = ROOT

    def trace(self, step: str, name: str = "") -> dict[str, Any]:
        """The book's trace of a scenario. Raises NotRecordedError."""
        file = f"{step}-{name}.json" if name else f"{step}.json"
        path = self.root / TRACES.relative_to(ROOT) / file
        if not path.exists():
            raise NotRecordedError(path)
        trace: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return trace


@dataclass(frozen=True)
class Work:
    """A figure to work, in its still form, in words, and as data.

    name: of the files in docs/figures/: unique, with the arguments in it.
    caption: what to see, and what to do; Markdown.
    words: whole sentences that say what the picture shows and the controls would; a
        script may take its own words for the state from the data.
    still: SVG in named colours (`var(--chart-3)`), at most 340 pixels wide, without
        `id`s. It says by `role="img"` and `aria-label` what it is.
    wide: the same for a wide page, at most 700 pixels; "" if `still` does for both.
    data: what the script needs, and no more; rounded.
    """

    name: str
    caption: str
    words: Sequence[str]
    still: str
    data: Mapping[str, Any]
    wide: str = ""

    def stamp(self) -> str:
        drawn = hashlib.sha256((self.wide + self.still).encode()).hexdigest()
        return f"drawn from {drawn[:16]}"


#: From the materials, and what the page says, to the figure.
Draw = Callable[..., Work]
