"""Takes the first measurement for the one with fewer connections.

Breaks: What a server did in two measurements, given in any order
Refused by: test_any_order
Told: Which one has more connections has to be looked up
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
    if other.connections < ENOUGH * one.connections:
        return "neither"
    if latency_ms(other) < TWICE * latency_ms(one):
        return "waits"
    if other.rate < TWICE * one.rate:
        return "works"
    return "neither"
