"""What chapter 07 claims."""

from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.measurement import Measurement


@claim("One write makes the server at least twenty times as fast.")
def twenty_times(m: Measurement) -> Verdict:
    return at_least(m.rate("step07", 100) / m.rate("step06", 100), 20)


@claim("Keep-alive is at last faster than closing: at least two and a half times.")
def keep_alive_pays(m: Measurement) -> Verdict:
    return at_least(m.rate("step07", 100) / m.rate("step02", 100), 2.5)


@claim("900 silent connections cost ten active ones at least half of their throughput.")
def silence_costs(m: Measurement) -> Verdict:
    return at_most(m.rate("step07", 10, silent=900) / m.rate("step07", 10), 0.5)
