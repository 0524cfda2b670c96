"""What chapter 01 claims."""

from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.measurement import Measurement


@claim("Ten times the clients wait at least five times as long: they queue.")
def clients_queue(m: Measurement) -> Verdict:
    # By the generator whose clock counts connecting, too: see docs/lab.md.
    hundred = m.latency("step01", 100, generator="lab")
    return at_least(hundred / m.latency("step01", 10, generator="lab"), 5)


@claim("Ten times the clients get at most half as much again out of the server.")
def throughput_is_level(m: Measurement) -> Verdict:
    return at_most(m.rate("step01", 100) / m.rate("step01", 10), 1.5)
