"""Is content with half of the gap.

Breaks: that works for more than half of the time from `start` to `end`
Refused by: test_a_clock
Told: Half is not more than half
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    lane: str
    server: bool
    name: str
    cat: str
    ts: float
    dur: float


def pauses(
    spans: Iterable[Span], start: float, end: float
) -> Iterator[tuple[float, float]]:
    since = start
    for span in sorted(spans, key=lambda span: span.ts):
        until = min(span.ts, end)
        if since < until:
            yield since, until
        since = max(since, span.ts + span.dur)
    if since < end:
        yield since, end


def longest_gap(
    spans: Sequence[Span], start: float, end: float
) -> tuple[float, float] | None:
    work = [span for span in spans if span.server and span.cat == "work"]
    return max(pauses(work, start, end), key=lambda gap: gap[1] - gap[0], default=None)


def whose(spans: Sequence[Span], start: float, end: float) -> str | None:
    found, longest = None, (end - start) / 2
    for lane in {span.lane: None for span in spans if not span.server}:
        work = [span for span in spans if span.lane == lane and span.cat == "work"]
        rest = sum(until - since for since, until in pauses(work, start, end))
        if end - start - rest >= longest:
            found, longest = lane, end - start - rest
    return found
