"""What chapter 10 claims."""

from lab.record.claims import PYTHONS, Verdict, at_least, at_most, claim, every
from lab.record.measurement import Measurement
from lab.record.quantity import Quantity

ALONE = "step10 --workers 0"


def gain(m: Measurement, path: str) -> Quantity:
    """As many times as much do four workers answer as the loop does by itself."""
    return m.rate("step10", 100, path=path) / m.rate(ALONE, 100, path=path)


@claim("Where handlers wait, four workers answer at least three times as much.")
def waiting_pays(m: Measurement) -> Verdict:
    return at_least(gain(m, "/sleep/5"), 3)


@claim("Meanwhile the server uses at most a quarter of a core.")
def nobody_works(m: Measurement) -> Verdict:
    return at_most(m.cpu("step10", 100, path="/sleep/5"), 25)


@claim(
    "Where handlers compute, four workers answer at most three tenths more than none."
)
def computing_does_not(m: Measurement) -> Verdict:
    return at_most(gain(m, "/spin/1"), 1.3)


@claim(
    "Where handlers do next to nothing, a single client gets at most nine tenths of "
    "what step 09 gave it."
)
def the_hand_over_costs(m: Measurement) -> Verdict:
    return at_most(m.rate("step10", 1) / m.rate("step09", 1), 0.9)


@claim("With 100 clients, one byte wakes the loop for at least ten answers.")
def woken_together(m: Measurement) -> Verdict:
    return at_most(m.syscalls("step10", 100, "write"), 0.1)


@claim(
    "Without the GIL and with two cores or more, two workers that compute answer at "
    "least one and a quarter times as much as one; with it, at most that.",
    decided_by=PYTHONS,
)
def computing_side_by_side(m: Measurement) -> Verdict:
    def gain(gil: bool) -> Quantity:
        one, two = (
            m.rate(f"step10 --workers {n}", 100, path="/spin/1", gil=gil)
            for n in (1, 2)
        )
        return two / one

    return every(at_least(gain(False), 1.25), at_most(gain(True), 1.25))
