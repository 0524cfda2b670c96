"""A command line of several commands: `python -m lab` and `python -m book`.

Each command is a module with `main(argv) -> int`. Only the module of the command that
was asked for is imported, so `probe`, `load` and `silent` run on a bare Python.
"""

from __future__ import annotations

import codecs
import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.paths import short_path

#: command -> its module within the package, and what it does in one line.
Commands = Mapping[str, tuple[str, str]]

#: What a folder or a disk does to whoever would write there.
UNWRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.EFBIG, errno.EISDIR, errno.ENOTDIR),
)


def run(package: str, commands: Commands, argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit code."""
    if not hasattr(os, "fork"):
        print(
            f"python -m {package} needs Linux or macOS. On Windows, WSL is a Linux: "
            "clone the project there.",
            file=sys.stderr,
        )
        return 1
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(package, commands))
        return 0
    command, *rest = argv
    for stream in (sys.stdout, sys.stderr):
        # Where a terminal has ASCII only, "×" is printed as "x", and nothing fails.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plainer")
    if command not in commands:
        print(
            f"there is no command {command!r}: python -m {package} --help",
            file=sys.stderr,
        )
        return 2
    module_name, _ = commands[command]
    try:
        module = importlib.import_module(f"{package}.{module_name}")
    except ModuleNotFoundError as error:
        top = (error.name or package).partition(".")[0]
        if top in ("book", "lab", "steps", "workshop"):
            raise
        print(
            f"{command} needs {error.name}: run `make` once, then use "
            f".venv/bin/python -m {package} {command}",
            file=sys.stderr,
        )
        return 1
    try:
        code = module.main(rest)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno in UNWRITABLE:
            print(in_words(error), file=sys.stderr)
            if error.filename is not None:
                return 1
        elif error.errno not in (errno.EPIPE, errno.EIO):
            raise
        # `python -m lab show | head`: the reader has seen enough; or the terminal was
        # closed. Nothing can be printed any more, and the flush at exit must not try.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    assert isinstance(code, int)
    return code


#: What is printed in the place of a character that a terminal does not have. It is as
#: wide, for tables, and tells a bound from a figure, which "?" would not.
PLAINER = str.maketrans(
    {"≥": ">", "≤": "<", "×": "x", "·": "*", "…": "."}
    | dict.fromkeys("\u2009\u202f\u00a0", " ")
    | dict.fromkeys("–—−", "-")
    | dict.fromkeys("“”", '"')
    | {"±": "~", "’": "'"}
)


def plainer(error: UnicodeError) -> tuple[str, int]:
    """A handler of errors for codecs.register_error()."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(PLAINER)
    return text.encode("ascii", "replace").decode(), error.end


codecs.register_error("plainer", plainer)


def in_words(error: OSError) -> str:
    """Such as "measurements/mine.json: Permission denied"."""
    what = error.strerror or str(error)
    if not isinstance(error.filename, str):
        return what
    return f"{short_path(Path(error.filename))}: {what}"


def usage(package: str, commands: Commands) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in commands.items()]
    return "\n".join(
        [
            f"usage: python -m {package} COMMAND [...]",
            "",
            *lines,
            "",
            f"python -m {package} COMMAND --help says more about one of them.",
        ]
    )
