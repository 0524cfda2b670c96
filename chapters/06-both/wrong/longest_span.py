"""Takes the longest span, and does not add up what a lane did.

Breaks: of several, the one that works longest
Refused by: test_in_pieces
Told: Together they fill most of it
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
            worked[span.lane] = max(worked.get(span.lane, 0), part)
    busiest = max(worked, key=worked.__getitem__, default=None)
    if busiest and worked[busiest] > (end - start) / 2:
        return busiest
    return None
