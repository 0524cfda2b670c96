"""`python -m lab COMMAND`: the lab's command line.

Each command is a module with `main(argv) -> int`. Only the module of the command that
was asked for is imported, so `probe`, `load` and `silent` run on a bare Python.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

#: command -> its module, and what it does in one line.
COMMANDS = {
    "tour": ("tour", "measure every step on this machine, a few seconds each"),
    "serve": ("serve", "build the book with your figures in it, and serve it"),
    "probe": ("probe", "one connection: when did each answer's head and body arrive?"),
    "load": ("load", "put many clients on a server, and print what came of it"),
    "silent": ("silent", "open connections that never send a byte, and keep them"),
    "trace": ("trace", "what each thread of a step did, and when, on one clock"),
    "syscalls": ("syscalls", "count the system calls that a step makes for a request"),
    "claims": ("claims", "check what the chapters claim against a record"),
    "show": ("show", "print a record as tables"),
    "tough": ("toughness", "long runs that try to break step 12"),
    "compare": ("compare", "measure step 12 beside servers that people use"),
    "measure": ("measure", "measure everything that the book prints"),
    "schema": ("schema", "print the schema of a record"),
    "calibrate": ("calibrate", "compare the embedded generator with wrk"),
    "parser-bench": ("parser_bench", "how long does it take to parse a request?"),
    "transcripts": ("transcripts", "record what the chapters' commands print"),
    "fill": ("book", "write figures and code into the chapters' Markdown"),
    "site": ("site", "build the book into site/"),
}


def main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    command, *rest = argv
    if command not in COMMANDS:
        print(f"there is no command {command!r}: python -m lab --help", file=sys.stderr)
        return 2
    module_name, _ = COMMANDS[command]
    try:
        module = importlib.import_module(f"lab.{module_name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("lab", "steps"):
            raise
        print(
            f"{command} needs {error.name}: run `make` once, then use "
            f".venv/bin/python -m lab {command}",
            file=sys.stderr,
        )
        return 1
    try:
        code = module.main(rest)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `python -m lab show | head`: the reader has seen enough. Nothing can be
        # printed any more, and the flush at exit must not try.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    assert isinstance(code, int)
    return code


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m lab COMMAND [...]",
            "",
            *lines,
            "",
            "python -m lab COMMAND --help says more about one of them.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
