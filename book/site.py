"""Build the book into site/: `python -m book site [--strict]`."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mkdocs import exceptions
from mkdocs.commands.build import build as mkdocs_build
from mkdocs.config import load_config

from book.drawn import Sources
from lab.paths import ROOT

SITE = ROOT / "site"
#: In the built book: what it was built from. MkDocs leaves such names alone.
STAMP = ".built-from"
#: Folders that the book is not built from.
NOT_READ = {"site", "dist", "wheels", "__pycache__"}


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
    built_from = state_of(ROOT)
    (folder / STAMP).unlink(missing_ok=True)
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
    if sources is None:
        (folder / STAMP).write_text(built_from, encoding="utf-8")


def is_current(folder: Path = SITE) -> bool:
    """Whether the book in that folder is what `build()` would make anew."""
    try:
        return (folder / STAMP).read_text(encoding="utf-8") == state_of(ROOT)
    except OSError:
        return False


def state_of(root: Path) -> str:
    """Another text whenever a file there has changed, of those that may be read."""
    state = hashlib.sha256()
    for path, folders, files in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in NOT_READ
        )
        for name in sorted(name for name in files if name[0] != "."):
            file = Path(path, name)
            with contextlib.suppress(OSError):  # it has gone meanwhile
                status = file.lstat()
                now = f"{file} {status.st_size} {status.st_mtime_ns}\n"
                state.update(now.encode("utf-8", "surrogateescape"))
    return state.hexdigest()


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
