"""Forgets the time before the first span, and behind the last one.

Breaks: Find the longest time
Refused by: test_start_and_end
Told: the start and the end of the request bound gaps
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
    busy.sort(key=lambda span: span.ts)
    gaps = []
    reached = busy[0].ts if busy else start
    for span in busy:
        if span.ts > reached and span.ts > start and reached < end:
            gaps.append((max(reached, start), min(span.ts, end)))
        reached = max(reached, span.ts + span.dur)
    return max(gaps, key=lambda gap: gap[1] - gap[0], default=None)


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
