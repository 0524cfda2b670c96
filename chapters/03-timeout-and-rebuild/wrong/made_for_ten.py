"""Has limits that are right for ten times the connections.

Breaks: if the latency is less than TWICE what it was
Refused by: test_other_factors
Told: That was not ten times here
"""

import math
from typing import Literal, NamedTuple

Cause = Literal["waits", "works", "neither"]

ENOUGH = 4
TWICE = 2


class Measured(NamedTuple):
    connections: int
    rate: float


def latency_ms(measured: Measured) -> float:
    return 1000 * measured.connections / measured.rate


def predicted_rate(
    connections: int, wait_ms: float, ceiling: float = math.inf
) -> float:
    if not wait_ms:
        return ceiling
    return min(1000 * connections / wait_ms, ceiling)


def diagnose(one: Measured, other: Measured) -> Cause:
    fewer, more = sorted((one, other))
    if more.connections < ENOUGH * fewer.connections:
        return "neither"
    growth = more.rate / fewer.rate
    if growth > 5:
        return "waits"
    if growth < 2:
        return "works"
    return "neither"
