"""What chapter 08 claims."""

from lab.record.claims import Verdict, at_least, claim
from lab.record.measurement import Measurement


@claim("900 silent connections cost ten active ones at most half of their throughput.")
def silence_is_free(m: Measurement) -> Verdict:
    return at_least(m.rate("step08", 10, silent=900) / m.rate("step08", 10), 0.5)


@claim("One thread without a hand-over answers at least half as much as six with it.")
def no_hand_over(m: Measurement) -> Verdict:
    return at_least(m.rate("step08", 100) / m.rate("step07", 100), 0.5)


@claim("It answers at least as much as uvicorn does with uvloop and httptools.")
def faster_than_uvicorn(m: Measurement) -> Verdict:
    return at_least(m.rate("step08", 100) / m.rate("uvicorn", 100), 1)


@claim("So it does with header fields as a browser sends them.")
def faster_with_browser_headers(m: Measurement) -> Verdict:
    ours = m.rate("step08", 100, headers="browser")
    return at_least(ours / m.rate("uvicorn", 100, headers="browser"), 1)
