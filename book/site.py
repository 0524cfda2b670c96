"""Build the book into site/: `python -m book site [--strict]`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from mkdocs import exceptions
from mkdocs.commands.build import build as mkdocs_build
from mkdocs.config import load_config

from book.drawn import Sources
from lab.paths import ROOT

SITE = ROOT / "site"


class SiteError(Exception):
    """The book cannot be built; the message says why."""


def build(
    folder: Path = SITE, *, strict: bool = False, sources: Sources | None = None
) -> None:
    """Build the book into that folder. Raises SiteError.

    strict: a dead link, a number that was not measured, and whatever else MkDocs or
    the book warns of, is an error.
    sources: the records to print; left out, the book's and the reader's.
    """
    try:
        config = load_config(
            str(ROOT / "mkdocs.yml"), strict=strict, site_dir=str(folder)
        )
        config.extra["sources"] = sources or Sources.load()
        config.plugins.on_startup(command="build", dirty=False)
        try:
            mkdocs_build(config)
        finally:
            config.plugins.on_shutdown()
    except exceptions.MkDocsException as error:
        raise SiteError(str(error)) from error


def show_warnings() -> None:
    """What MkDocs and the book warn of, a line each, on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("mkdocs").addHandler(handler)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m book site", description=__doc__)
    parser.add_argument(
        "--strict", action="store_true", help="fail where there is anything to warn of"
    )
    arguments = parser.parse_args(argv)
    show_warnings()
    try:
        build(strict=arguments.strict)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is in {SITE.relative_to(ROOT)}/: open site/index.html")
    return 0
