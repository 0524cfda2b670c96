"""Takes each answer more for a sign of waiting.

Breaks: if the rate is less than TWICE what it was
Refused by: test_a_busy_server
Told: a few more answers are no sign of a wait
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
    return "waits" if more.rate > fewer.rate else "works"
