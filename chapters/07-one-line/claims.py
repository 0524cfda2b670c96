"""What chapter 07 claims."""

from lab.record.claims import CLOSER, Verdict, at_least, at_most, claim, every
from lab.record.measurement import Measurement
from lab.record.names import NODELAY, ONE_WRITE


@claim("Head and body sent together make the server at least ten times as fast.")
def ten_times(m: Measurement) -> Verdict:
    return at_least(m.rate("step07", 100) / m.rate("step06", 100), 10)


@claim(
    "Either half of the cure, one write alone or TCP_NODELAY alone, makes the server "
    "at least five times as fast.",
    only_on="Linux",
    decided_by=CLOSER,
)
def either_half(m: Measurement) -> Verdict:
    before = m.closer.rate("step06", 100)
    return every(
        *(
            at_least(m.closer.rate(half, 100) / before, 5)
            for half in (ONE_WRITE, NODELAY)
        )
    )


@claim("Keep-alive is at last faster than closing.")
def keep_alive_pays(m: Measurement) -> Verdict:
    return at_least(m.rate("step07", 100) / m.rate("step02", 100), 1)


@claim("900 silent connections cost ten active ones at least a third of what they get.")
def silence_costs(m: Measurement) -> Verdict:
    return at_most(m.rate("step07", 10, silent=900) / m.rate("step07", 10), 2 / 3)
