"""What chapter 05 claims."""

from lab.record.claims import CLOSER, Verdict, at_least, at_most, between, claim, every
from lab.record.matrix import STAGGER_S
from lab.record.measurement import Measurement
from steps.step03.server import SELECT_TIMEOUT_S

#: Between the two heaps, in answers to each client, a timeout.
BETWEEN = 1.6


@claim("Keep-alive with 100 connections reaches at most half of step 02.")
def a_half(m: Measurement) -> Verdict:
    return at_most(m.rate("step05", 100) / m.rate("step02", 100), 1 / 2)


@claim("One connection gets one answer a timeout, within a fifth.")
def one_a_timeout(m: Measurement) -> Verdict:
    expected = 1 / SELECT_TIMEOUT_S
    return between(m.rate("step05", 1), 0.8 * expected, 1.2 * expected)


@claim(
    "Ten connections that begin at once mostly get about one answer each a timeout; "
    "if they begin one by one, mostly about two or more.",
    only_on="Linux",
    decided_by=CLOSER,
)
def two_answers(m: Measurement) -> Verdict:
    rate = BETWEEN * 10 / SELECT_TIMEOUT_S
    at_once = m.closer.share_above("step05", 10, rate, generator="lab")
    one_by_one = m.closer.share_above("step05", 10, rate, stagger_s=STAGGER_S)
    return every(at_most(at_once, 0.5), at_least(one_by_one, 0.5))
