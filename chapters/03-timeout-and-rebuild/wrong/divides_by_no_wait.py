"""Divides by a wait of 0.

Breaks: It may be 0; then the ceiling alone is the limit
Refused by: test_no_wait
Told: Nothing can be divided by it
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
    return min(1000 * connections / wait_ms, ceiling)


def diagnose(one: Measured, other: Measured) -> Cause:
    fewer, more = sorted((one, other))
    if more.connections < ENOUGH * fewer.connections:
        return "neither"
    if latency_ms(more) < TWICE * latency_ms(fewer):
        return "waits"
    if more.rate < TWICE * fewer.rate:
        return "works"
    return "neither"
