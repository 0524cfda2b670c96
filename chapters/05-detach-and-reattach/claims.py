"""What chapter 05 claims."""

from lab.record.claims import Verdict, at_most, between, claim, every
from lab.record.measurement import Measurement
from steps.step03.server import SELECT_TIMEOUT_S

DELAYED_ACK_S = 0.040


@claim(
    "Keep-alive with 100 connections reaches at most a fifth of step 02 "
    "(a quarter, as the embedded generator measures)."
)
def a_fifth(m: Measurement) -> Verdict:
    ratio = m.rate("step05", 100) / m.rate("step02", 100)
    return at_most(ratio, 1 / 5 if ratio.generator == "wrk" else 1 / 4)


@claim("One connection and ten get one answer each a timeout, within 10 %.")
def n_a_timeout(m: Measurement) -> Verdict:
    one, ten = 1 / SELECT_TIMEOUT_S, 10 / SELECT_TIMEOUT_S
    return every(
        between(m.rate("step05", 1), 0.9 * one, 1.1 * one),
        between(m.rate("step05", 10), 0.9 * ten, 1.1 * ten),
    )


@claim(
    "A hundred connections lie between one answer a timeout and one every 40 ms.",
    only_on="Linux",
)
def between_two_waits(m: Measurement) -> Verdict:
    # A timeout can end late, never early: allow for what n_a_timeout allows.
    slow, fast = 0.9 * 100 / SELECT_TIMEOUT_S, 100 / DELAYED_ACK_S
    return between(m.rate("step05", 100), slow, fast)
