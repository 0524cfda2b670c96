"""Looks how far the last two spans reach, and not all so far.

Breaks: a time in which no thread of the server works
Refused by: test_spans_that_go_on
Told: from 300 to 600
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
    since = before = start
    for span in sorted(spans, key=lambda span: span.ts):
        until = min(span.ts, end)
        if since < until:
            yield since, until
        since, before = max(before, span.ts + span.dur), span.ts + span.dur
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
        if end - start - rest > longest:
            found, longest = lane, end - start - rest
    return found
