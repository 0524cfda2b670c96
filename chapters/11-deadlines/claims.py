"""What chapter 11 claims."""

from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.measurement import Measurement

TIMED = "step11 --header-timeout 1"


@claim("Without deadlines, all of 900 half requests are there when the run ends.")
def without_they_stay(m: Measurement) -> Verdict:
    return at_least(m.still_open("step10", 10, silent=900, manner="half"), 900)


@claim("With a second for a head, none of them is.")
def with_they_go(m: Measurement) -> Verdict:
    return at_most(m.still_open(TIMED, 10, silent=900, manner="half"), 0)


@claim(
    "900 silent connections, each with a deadline, cost ten active ones at most half "
    "of their throughput."
)
def silence_is_free(m: Measurement) -> Verdict:
    return at_least(m.rate("step11", 10, silent=900) / m.rate("step11", 10), 0.5)


@claim("A silent connection costs the process less than a kibibyte.")
def silence_is_small(m: Measurement) -> Verdict:
    return at_most(m.silent_bytes("step11"), 1024)


@claim("900 of them take at most 1 % of a core.")
def silence_takes_no_time(m: Measurement) -> Verdict:
    return at_most(m.silent_cpu("step11"), 1)
