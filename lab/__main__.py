"""`python -m lab COMMAND`: the lab's command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lab import commands

COMMANDS = {
    "tour": ("measure.tour", "measure every step on this machine, a few seconds each"),
    "probe": (
        "load.probe",
        "one connection: when did each answer's head and body arrive?",
    ),
    "load": ("load.run", "put many clients on a server, and print what came of it"),
    "silent": ("load.silent", "open connections that never send a byte, and keep them"),
    "doctor": ("doctor.command", "what is wrong with a server, anybody's?"),
    "trace": (
        "trace.command",
        "what each thread of a step did, and when, on one clock",
    ),
    "syscalls": (
        "measure.syscalls",
        "count the system calls that a step makes for a request",
    ),
    "claims": ("record.claims", "check what the chapters claim against a record"),
    "show": ("record.show", "print a record as tables"),
    "tough": ("tough.command", "long runs that try to break step 12"),
    "compare": ("measure.compare", "measure step 13 beside servers that people use"),
    "closer": (
        "measure.closer",
        "measure step 05 many times, and each half of step 07's cure",
    ),
    "batching": (
        "measure.batching",
        "step 12 with its answers sent one by one, and together",
    ),
    "in-c": ("measure.in_c", "measure the question's server in C"),
    "measure": ("measure.run", "measure everything that the book prints"),
    "schema": ("record.model", "print the schema of a record"),
    "calibrate": ("measure.calibrate", "compare the embedded generator with wrk"),
    "parser-bench": (
        "measure.parser_bench",
        "how long does it take to parse a request?",
    ),
}


def main(argv: Sequence[str]) -> int:
    return commands.run("lab", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
