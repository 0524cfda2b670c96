"""Names of servers, as they stand in records, in claims and in tables.

A step is named by itself or with its flags: "step10", "step10 --workers 0". In the
comparison with other servers ours have names of their own.
"""

from __future__ import annotations

#: Steps that close after each response, so that "keep-alive" is not asked of them.
CLOSING_STEPS = frozenset({"step01", "step02"})

#: The question's server in C; with its flags, as a step.
C_SERVER = "question.c"

IN_THE_LOOP = "step13 in the loop"
FOUR_WORKERS = "step13, four workers"
ONE_PROCESS = "step13, one process"
TWO_PROCESSES = "step14, two processes"

#: Flags that the lab understands, and no step: a half of step 07's cure (see
#: `lab/measure/halves.py`), and a server that is not kept on a core of its own. The
#: tour prints them before a reader has got so far, so they do not say which half.
ONE_WRITE_FLAG = "--half-a"
NODELAY_FLAG = "--half-b"
ALL_CORES_FLAG = "--all-cores"
ONE_WRITE = f"step06 {ONE_WRITE_FLAG}"
NODELAY = f"step06 {NODELAY_FLAG}"

#: What those are called in a table.
TITLES = {
    ONE_WRITE: "06 and one write",
    NODELAY: "06 and TCP_NODELAY",
    f"step07 {ALL_CORES_FLAG}": "07 one line, on all cores",
    f"step07 --workers 1 {ALL_CORES_FLAG}": "07 one line, --workers 1, on all cores",
    IN_THE_LOOP: "step 13 in the loop",
    FOUR_WORKERS: "step 13, four workers",
    ONE_PROCESS: "step 13, one process",
    TWO_PROCESSES: "step 14, two processes",
}


def step_of(server: str) -> str:
    """The step alone, where its flags are named, too: "step10 --workers 0"."""
    return server.partition(" ")[0]


def for_a_list(title: str) -> str:
    """A name without a comma, for a reader takes those for the list's: "granian (one
    thread)"."""
    name, comma, more = title.partition(", ")
    return f"{name} ({more})" if comma else name
