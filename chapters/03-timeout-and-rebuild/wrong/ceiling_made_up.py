"""Has a ceiling of its own where none is given.

Breaks: The server does no more than `ceiling` requests a second, however many wait
Refused by: test_ceiling_that_is_not_given
Told: The signature says that the ceiling is math.inf
"""

from typing import Literal, NamedTuple

Cause = Literal["waits", "works", "neither"]

ENOUGH = 4
TWICE = 2


class Measured(NamedTuple):
    connections: int
    rate: float


def latency_ms(measured: Measured) -> float:
    return 1000 * measured.connections / measured.rate


def predicted_rate(connections: int, wait_ms: float, ceiling: float = 16_000) -> float:
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
