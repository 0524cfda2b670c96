"""What chapter 03 claims."""

from lab.record.claims import Verdict, at_least, at_most, between, claim
from lab.record.measurement import Measurement
from steps.step03.server import SELECT_TIMEOUT_S


@claim(
    "Keep-alive with 100 connections reaches at most a fifth of step 02 "
    "(a quarter, as the embedded generator measures)."
)
def a_fifth(m: Measurement) -> Verdict:
    ratio = m.rate("step03", 100) / m.rate("step02", 100)
    return at_most(ratio, 1 / 5 if ratio.generator == "wrk" else 1 / 4)


@claim("One connection gets one answer a timeout, within 10 %.")
def one_a_timeout(m: Measurement) -> Verdict:
    expected = 1 / SELECT_TIMEOUT_S
    return between(m.rate("step03", 1), 0.9 * expected, 1.1 * expected)


@claim(
    "Ten connections wait as long as one: the median latencies differ by under 10 %."
)
def the_wait_is_fixed(m: Measurement) -> Verdict:
    return between(m.latency("step03", 10) / m.latency("step03", 1), 0.9, 1.1)


@claim("A thousand connections get at least five times as much as a hundred.")
def more_clients_help(m: Measurement) -> Verdict:
    return at_least(m.rate("step03", 1000) / m.rate("step03", 100), 5)


@claim("A worker that closes connections makes select() fail with EBADF.")
def ebadf(m: Measurement) -> Verdict:
    return at_least(m.stat("step03", 100, "ebadf", mode="close"), 1)
