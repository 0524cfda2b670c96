"""What chapter 03 claims."""

from lab.record.claims import Verdict, at_least, at_most, between, claim
from lab.record.measurement import Measurement
from steps.step03.server import SELECT_TIMEOUT_S


@claim("Keep-alive with 100 connections reaches at most half of step 02.")
def a_fifth(m: Measurement) -> Verdict:
    return at_most(m.rate("step03", 100) / m.rate("step02", 100), 1 / 2)


@claim("One connection gets one answer a timeout, within a fifth.")
def one_a_timeout(m: Measurement) -> Verdict:
    expected = 1 / SELECT_TIMEOUT_S
    return between(m.rate("step03", 1), 0.8 * expected, 1.2 * expected)


@claim(
    "Ten connections wait as long as one: the median latencies differ by under a fifth."
)
def the_wait_is_fixed(m: Measurement) -> Verdict:
    return between(m.latency("step03", 10) / m.latency("step03", 1), 0.8, 1.2)


@claim("A thousand connections get at least three times as much as a hundred.")
def more_clients_help(m: Measurement) -> Verdict:
    return at_least(m.rate("step03", 1000) / m.rate("step03", 100), 3)


@claim("A worker that closes connections makes select() fail with EBADF.")
def ebadf(m: Measurement) -> Verdict:
    return at_least(m.stat("step03", 100, "ebadf", mode="close"), 1)
