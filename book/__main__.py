"""`python -m book COMMAND`: the command line that makes the book."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lab import commands

COMMANDS = {
    "serve": ("serve", "build the book with your figures in it, and serve it"),
    "site": ("site", "build the book into site/"),
    "fill": ("fill", "write figures and code into the chapters' Markdown"),
    "transcripts": ("transcripts", "record what the chapters' commands print"),
}


def main(argv: Sequence[str]) -> int:
    return commands.run("book", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
