"""What the groups of functions that draw have in common."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from book.drawn import Drawn, Sources, log, placeholder
from lab.paths import ROOT
from lab.record.measurement import Measurement


@dataclass
class Block:
    """A group of functions that draw, for one page."""

    page: Path
    sources: Sources
    root: Path = ROOT

    def link(self, path: Path) -> str:
        """The path as a link on this page."""
        return Path(os.path.relpath(path, self.page.parent)).as_posix()

    def in_root(self, path: Path) -> Path:
        """A file of this project, in the one whose pages are made."""
        return self.root / path.relative_to(ROOT)

    def both(self) -> list[tuple[str, Measurement]]:
        """The records that there are, the book's first."""
        both = (("book", self.sources.book), ("yours", self.sources.mine))
        return [(name, m) for name, m in both if m is not None]

    def chapter(self) -> str:
        """The number of the chapter that the page is in, such as "03"."""
        return self.page.parent.name.partition("-")[0]

    def not_recorded(self, path: Path) -> Drawn:
        """A page can be read before all of it was recorded, but not published."""
        missing = path.relative_to(self.root)
        log.warning("%s: %s is missing", self.page.relative_to(self.root), missing)
        return placeholder(f"{missing} is not recorded yet.")
