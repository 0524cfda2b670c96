"""What chapter 14 claims."""

from lab.record.claims import COMPARE, Verdict, at_least, claim
from lab.record.measurement import Measurement
from lab.record.names import ONE_PROCESS, TWO_PROCESSES
from lab.record.versus import SPIN


@claim(
    "Where each request computes for a millisecond, two processes on two cores answer "
    "at least one and a half times as much as one.",
    decided_by=COMPARE,
)
def a_second_core(m: Measurement) -> Verdict:
    two = m.compare.rate(TWO_PROCESSES, 100, path=SPIN)
    return at_least(two / m.compare.rate(ONE_PROCESS, 100, path=SPIN), 1.5)


@claim("They use at least one and a half cores.", decided_by=COMPARE)
def both_compute(m: Measurement) -> Verdict:
    return at_least(m.compare.cpu(TWO_PROCESSES, 100, path=SPIN), 150)


@claim("A supervisor takes at most half of a single process's throughput.")
def a_supervisor_is_free(m: Measurement) -> Verdict:
    return at_least(m.rate("step14", 100) / m.rate("step13", 100), 0.5)
