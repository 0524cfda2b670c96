"""Always blames somebody, however little they did.

Breaks: Returns None if there is none
Refused by: test_a_clock
Told: it is nobody
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
    reached: dict[str, float] = {}
    for span in sorted(spans, key=lambda span: span.ts):
        if span.server or span.cat != "work":
            continue
        begins = max(span.ts, start, reached.get(span.lane, start))
        ends = min(span.ts + span.dur, end)
        worked[span.lane] = worked.get(span.lane, 0) + max(ends - begins, 0)
        reached[span.lane] = max(reached.get(span.lane, start), ends)
    return max(worked, key=worked.__getitem__, default=None)
