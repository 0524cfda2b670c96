"""Looks at each thread by itself, and takes the longest gap of any.

Breaks: a time in which no thread of the server works
Refused by: test_another_thread_works
Told: not each by itself
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


def gap_of(
    busy: Sequence[Span], start: float, end: float
) -> tuple[float, float] | None:
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


def longest_gap(
    spans: Sequence[Span], start: float, end: float
) -> tuple[float, float] | None:
    busy = [span for span in spans if span.server and span.cat == "work"]
    lanes = {span.lane for span in busy}
    gaps = [
        gap_of([span for span in busy if span.lane == lane], start, end)
        for lane in sorted(lanes)
    ] or [(start, end)]
    return max(
        (gap for gap in gaps if gap), key=lambda gap: gap[1] - gap[0], default=None
    )


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
    busiest = max(worked, key=worked.__getitem__, default=None)
    if busiest and worked[busiest] > (end - start) / 2:
        return busiest
    return None
