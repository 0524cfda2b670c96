"""What chapter 12 claims."""

from lab.record.claims import Verdict, at_least, claim
from lab.record.measurement import Measurement


@claim("With its limits, step 12 answers at least half as much as step 11 does.")
def limits_cost_little(m: Measurement) -> Verdict:
    ours = m.rate("step12 --workers 0", 100)
    return at_least(ours / m.rate("step11 --workers 0", 100), 0.5)
