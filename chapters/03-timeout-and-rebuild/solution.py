"""From two measurements to the cause: an answer."""

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
    """How long a client waits for an answer; see exercise.py for the contract."""
    # Little's law: clients = rate * latency.
    return 1000 * measured.connections / measured.rate


def predicted_rate(
    connections: int, wait_ms: float, ceiling: float = math.inf
) -> float:
    """Requests a second if each request waits for so long; see exercise.py."""
    if not wait_ms:
        return ceiling
    return min(1000 * connections / wait_ms, ceiling)


def diagnose(one: Measured, other: Measured) -> Cause:
    """What a server did in two measurements; see exercise.py for the contract."""
    fewer, more = sorted((one, other), key=lambda measured: measured.connections)
    if more.connections < ENOUGH * fewer.connections:
        return "neither"
    if latency_ms(more) < TWICE * latency_ms(fewer):
        return "waits"
    if more.rate < TWICE * fewer.rate:
        return "works"
    return "neither"
