"""What chapter 01 claims.

Its figures, and chapter 02's, are those of the generator whose clock counts connecting,
too: see docs/lab.md.
"""

from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.measurement import Measurement


@claim("Ten times the clients wait at least five times as long: they queue.")
def clients_queue(m: Measurement) -> Verdict:
    hundred = m.latency("step01", 100, generator="lab")
    return at_least(hundred / m.latency("step01", 10, generator="lab"), 5)


@claim("Ten times the clients get at most twice as much out of the server.")
def throughput_is_level(m: Measurement) -> Verdict:
    hundred = m.rate("step01", 100, generator="lab")
    return at_most(hundred / m.rate("step01", 10, generator="lab"), 2)
