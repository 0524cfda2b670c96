"""Names of servers, as they stand in records, in claims and in tables.

A step is named by itself or with its flags: "step10", "step10 --workers 0". In the
comparison with other servers ours have names of their own.
"""

from __future__ import annotations

#: Steps that close after each response, so that "keep-alive" is not asked of them.
CLOSING_STEPS = frozenset({"step01", "step02"})

IN_THE_LOOP = "step13 in the loop"
FOUR_WORKERS = "step13, four workers"
ONE_PROCESS = "step13, one process"
TWO_PROCESSES = "step14, two processes"

#: What those are called in a table.
TITLES = {
    IN_THE_LOOP: "step 13 in the loop",
    FOUR_WORKERS: "step 13, four workers",
    ONE_PROCESS: "step 13, one process",
    TWO_PROCESSES: "step 14, two processes",
}


def step_of(server: str) -> str:
    """The step alone, where its flags are named, too: "step10 --workers 0"."""
    return server.partition(" ")[0]
