"""From two measurements to the cause: does a server wait, or does it work?

Work in this file. `pytest chapters/03-timeout-and-rebuild` checks it.
"""

import math
from typing import Literal, NamedTuple

Cause = Literal["waits", "works", "neither"]

#: With so many times the connections, a wait and work can be told apart.
ENOUGH = 4
#: A measurement is never exact. What grows less than so many times has not grown.
TWICE = 2


class Measured(NamedTuple):
    """What a load generator saw, whose clients send again when they have an answer."""

    connections: int  # one a client; 1 or more
    rate: float  # requests a second, all clients together; more than 0


def latency_ms(measured: Measured) -> float:
    """How long a client waits for an answer, on average: in milliseconds, not rounded.

    Example: 100 clients who get 400 answers a second wait for 250 ms each.

        >>> latency_ms(Measured(connections=100, rate=400))
        250.0
    """
    # TODO: this is the time from one answer to the next, whoever gets it.
    return 1000 / measured.rate


def predicted_rate(
    connections: int, wait_ms: float, ceiling: float = math.inf
) -> float:
    """Requests a second, all clients together, if each request waits for so long.

    Not rounded. The server does no more than `ceiling` requests a second, however many
    wait. `wait_ms` is in milliseconds. It may be 0; then the ceiling alone is the
    limit.

    Example: ten clients whose requests wait for a timeout of 100 ms each.

        >>> predicted_rate(connections=10, wait_ms=100, ceiling=16_000)
        100.0
    """
    # TODO: this is what one client gets.
    return 1000 / wait_ms


def diagnose(one: Measured, other: Measured) -> Cause:
    """What a server did in two measurements, given in any order.

    Compare the measurement with more connections to the one with fewer. The first of
    these that is true is the answer:

    - "neither" if there are less than ENOUGH times as many connections. Then there is
      too little to compare.
    - "waits" if the latency is less than TWICE what it was: all of them wait for
      something that has its own time, and nobody waits longer for the others.
    - "works" if the rate is less than TWICE what it was: the server is short of
      something, and more clients make a longer queue.
    - "neither" if both have grown: it may wait at first, and then reach its ceiling.

    Example: with 1000 clients, step 02 answered no more than with 100.

        >>> diagnose(Measured(100, 16_000), Measured(1000, 15_800))
        'works'
    """
    # TODO: this looks at one of the two, and takes a little more for more.
    return "waits" if other.rate > one.rate else "works"
