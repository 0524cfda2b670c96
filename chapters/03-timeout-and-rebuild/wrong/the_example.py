"""Gives what the examples show, whatever is asked.

Breaks: How long a client waits for an answer, on average
Refused by: test_latency
Told: That is what the example shows
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
    return 250.0


def predicted_rate(
    connections: int, wait_ms: float, ceiling: float = math.inf
) -> float:
    return 100.0


def diagnose(one: Measured, other: Measured) -> Cause:
    return "works"
