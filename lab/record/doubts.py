"""What a reader has to know of a machine before any of its figures."""

from __future__ import annotations

from lab.record.model import DISTURBED, Record

ONE_CORE = (
    "one core, which server and generator shared: quick servers are slower here than "
    "they are, and nearer to one another"
)


def disturbed_runs(record: Record) -> tuple[int, int]:
    """How many runs were disturbed, and of how many that is known: of those whose
    server had a core of its own."""
    runs = [repeat for point in record.points for repeat in point.repeats]
    known = [run.is_disturbed for run in runs if run.others_cpu is not None]
    return sum(known), len(known)


def doubts(record: Record) -> list[str]:
    """A sentence each, for below what is printed; none where there is nothing."""
    found = []
    if record.machine.cores < 2:
        found.append(ONE_CORE)
    disturbed, runs = disturbed_runs(record)
    if disturbed:
        found.append(
            f"{disturbed} of {runs} runs were disturbed: other processes took more "
            f"than {DISTURBED:.0%} of a core"
        )
    return found
