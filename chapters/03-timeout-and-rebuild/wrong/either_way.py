"""Asks whether two figures are alike, and not whether one has grown.

Breaks: if the latency is less than TWICE what it was
Refused by: test_less_than_before
Told: What has become shorter is less
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
    if alike(latency_ms(fewer), latency_ms(more)):
        return "waits"
    if alike(fewer.rate, more.rate):
        return "works"
    return "neither"


def alike(one: float, other: float) -> bool:
    return max(one, other) < TWICE * min(one, other)
