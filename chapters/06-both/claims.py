"""What chapter 06 claims."""

from lab.record.claims import (
    PYTHONS,
    Verdict,
    at_least,
    at_most,
    between,
    claim,
    every,
)
from lab.record.measurement import Measurement


@claim("Keep-alive with 100 connections reaches at most half of step 02.")
def a_fifth(m: Measurement) -> Verdict:
    return at_most(m.rate("step06", 100) / m.rate("step02", 100), 1 / 2)


@claim(
    "The median latency is 35 to 60 ms, with one connection and with a hundred.",
    only_on="Linux",
)
def a_fixed_wait(m: Measurement) -> Verdict:
    return every(
        between(m.latency("step06", 1), 35, 60),
        between(m.latency("step06", 100), 35, 60),
    )


@claim("A thousand connections get at least four times as much as a hundred.")
def more_clients_help(m: Measurement) -> Verdict:
    return at_least(m.rate("step06", 1000) / m.rate("step06", 100), 4)


@claim("Waiting for the mutex is less than 1 % of a request's time.")
def the_mutex_is_acquitted(m: Measurement) -> Verdict:
    waited = m.stat("step06", 100, "lock_wait_s", per_request=True)
    return at_most(waited / m.latency("step06", 100, "mean"), 0.01)


@claim("The server uses at most a third of a core.")
def the_server_sleeps(m: Measurement) -> Verdict:
    return at_most(m.cpu("step06", 100), 33)


@claim(
    "Without the GIL, where threads do meet in it, the mutex takes at most a fiftieth "
    "of a request's time, and the wait is the same.",
    only_on="Linux",
    decided_by=PYTHONS,
)
def innocent_side_by_side(m: Measurement) -> Verdict:
    waited = m.stat("step06", 100, "lock_wait_s", per_request=True, gil=False)
    return every(
        at_most(waited / m.latency("step06", 100, "mean", gil=False), 0.02),
        between(m.latency("step06", 100, gil=False), 35, 60),
    )
