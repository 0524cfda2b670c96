"""Compares two measurements with nearly the same connections.

Breaks: if there are less than ENOUGH times as many connections
Refused by: test_too_little_to_compare
Told: Noise alone may change a figure so much
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
    if latency_ms(more) < TWICE * latency_ms(fewer):
        return "waits"
    if more.rate < TWICE * fewer.rate:
        return "works"
    return "neither"
