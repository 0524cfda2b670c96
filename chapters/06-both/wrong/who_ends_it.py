"""Blames the thread that is first to work after the gap.

Breaks: Returns the lane, none of the server's
Refused by: test_whose
Told: nor of the one that works after it
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    lane: str
    server: bool
    name: str
    cat: str
    ts: float
    dur: float


def longest_gap(
    spans: Sequence[Span], start: float, end: float
) -> tuple[float, float] | None:
    busy = [span for span in spans if span.server and span.cat == "work"]
    longest = None
    reached = start
    for span in sorted(busy, key=lambda span: span.ts):
        if span.ts >= end:
            break
        length = longest[1] - longest[0] if longest else 0
        if span.ts - reached > length:
            longest = reached, span.ts
        reached = max(reached, span.ts + span.dur)
    if end - reached > (longest[1] - longest[0] if longest else 0):
        longest = reached, end
    return longest


def whose(spans: Sequence[Span], start: float, end: float) -> str | None:
    after = [span for span in spans if span.cat == "work" and span.ts >= end]
    return min(after, key=lambda span: span.ts).lane if after else None
