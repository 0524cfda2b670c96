"""What chapter 04 claims."""

from lab.record.claims import Verdict, at_least, at_most, claim
from lab.record.measurement import Measurement


@claim("Keep-alive with 100 connections reaches at most half of step 02.")
def a_fifth(m: Measurement) -> Verdict:
    return at_most(m.rate("step04", 100) / m.rate("step02", 100), 1 / 2)


@claim("One connection gets at least one and a half times as much as with the timeout.")
def the_wait_is_gone(m: Measurement) -> Verdict:
    return at_least(m.rate("step04", 1) / m.rate("step03", 1), 1.5)


@claim(
    "For each request, select() reports at least three sockets that a worker has "
    "already."
)
def spins(m: Measurement) -> Verdict:
    return at_least(m.stat("step04", 100, "busy_ready", per_request=True), 3)


@claim("A worker that closes connections still makes select() fail with EBADF.")
def ebadf(m: Measurement) -> Verdict:
    return at_least(m.stat("step04", 100, "ebadf", mode="close"), 1)
