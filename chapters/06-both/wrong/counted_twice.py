"""Counts a span within another one twice.

Breaks: A lane that does two things at a time works once
Refused by: test_at_the_same_time
Told: added up twice
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
    worked: dict[str, float] = {}
    for span in spans:
        if not span.server and span.cat == "work":
            part = min(span.ts + span.dur, end) - max(span.ts, start)
            worked[span.lane] = worked.get(span.lane, 0) + max(part, 0)
    busiest = max(worked, key=worked.__getitem__, default=None)
    if busiest and worked[busiest] > (end - start) / 2:
        return busiest
    return None
