"""What the first page says of the book itself: where to get it, whose it is.

Nothing of that is known here. Who publishes the book sets `REPO_URL`, where it can be
cloned from, and `BOOK_AUTHORS`; mkdocs.yml reads the first as well. The licence is
LICENSE's, and the date is that of the last commit. Without a setting, and in a folder
that git does not know, the page says what is still true.
"""

from __future__ import annotations

import os
import re
import subprocess
from datetime import date
from pathlib import Path

from book.block import Block
from book.drawn import BookError, Drawn


class Front(Block):
    """The blocks of the first page that are about the book."""

    def start(self) -> Drawn:
        """The commands to begin with."""

        def text(url: str) -> str:
            begin = "You have the book: it is this folder. In it, type:"
            commands = ["$ make"]
            if url:
                folder = url.rstrip("/").rpartition("/")[2].removesuffix(".git")
                begin = "In a terminal:"
                commands = [f"$ git clone {url}", f"$ cd {folder}", *commands]
            return "\n".join([begin, "", "```console", *commands, "```"])

        return Drawn(
            repository=lambda: text(""),
            site=lambda: text(os.environ.get("REPO_URL", "")),
        )

    def imprint(self) -> Drawn:
        """Whose the book is, under which licence, and of when it is."""
        path = self.root / "LICENSE"
        named, _, rest = path.read_text(encoding="utf-8").partition("\n")
        holder = re.search(r"^Copyright \(c\) (\d+) (.+)$", rest, re.MULTILINE)
        if holder is None:
            raise BookError("LICENSE does not say whose the copyright is")
        year, authors = holder.groups()
        licence = f"[{named.replace('License', 'licence')}]({self.link(path)})"

        def text(whose: str, when: str) -> str:
            if whose == "The authors":
                whose = "the authors"
            return f"By {whose}, {when}. {licence}."

        return Drawn(
            repository=lambda: text(authors, year),
            site=lambda: text(
                os.environ.get("BOOK_AUTHORS") or authors, committed(self.root) or year
            ),
        )


def committed(root: Path) -> str:
    """The day of the last commit, such as "28 November 2026"; "" where git has none."""
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "log", "-1", "--format=%cs"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
        day = date.fromisoformat(found)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return f"{day.day} {day:%B %Y}"
