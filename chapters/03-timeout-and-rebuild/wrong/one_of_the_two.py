"""Always has an answer.

Breaks: if both have grown: it may wait at first, and then reach its ceiling
Refused by: test_neither
Told: Who names one cause stops looking for the other
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
    if latency_ms(more) / latency_ms(fewer) < more.rate / fewer.rate:
        return "waits"
    return "works"
