"""Divides with //, which cuts off what follows the point.

Breaks: in milliseconds, not rounded
Refused by: test_latency
Told: What follows the point is cut off
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
    return 1000 * measured.connections // measured.rate


def predicted_rate(
    connections: int, wait_ms: float, ceiling: float = math.inf
) -> float:
    if not wait_ms:
        return ceiling
    return min(1000 * connections / wait_ms, ceiling)


def diagnose(one: Measured, other: Measured) -> Cause:
    fewer, more = sorted((one, other), key=lambda measured: measured.connections)
    if more.connections < ENOUGH * fewer.connections:
        return "neither"
    if latency_ms(more) < TWICE * latency_ms(fewer):
        return "waits"
    if more.rate < TWICE * fewer.rate:
        return "works"
    return "neither"
