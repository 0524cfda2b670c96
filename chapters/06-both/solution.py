"""Read a timeline: find the longest gap, and whose it is: an answer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Something that somebody did, or slept in; see exercise.py for the fields."""

    lane: str
    server: bool
    name: str
    cat: str
    ts: float
    dur: float


def pauses(
    spans: Iterable[Span], start: float, end: float
) -> Iterator[tuple[float, float]]:
    """The times from `start` to `end` in which none of these spans is: as it came."""
    since = start
    for span in sorted(spans, key=lambda span: span.ts):
        until = min(span.ts, end)
        if since < until:
            yield since, until
        # Not where this span ends: an earlier one may go on behind it.
        since = max(since, span.ts + span.dur)
    if since < end:
        yield since, end


def longest_gap(
    spans: Sequence[Span], start: float, end: float
) -> tuple[float, float] | None:
    """Find when no thread of the server works; see exercise.py for the contract."""
    work = [span for span in spans if span.server and span.cat == "work"]
    # max() gives the first of several that are equally long.
    return max(pauses(work, start, end), key=lambda gap: gap[1] - gap[0], default=None)


def whose(spans: Sequence[Span], start: float, end: float) -> str | None:
    """Tell who was at work in a gap; see exercise.py for the contract."""
    lanes: dict[str, list[Span]] = {}
    for span in spans:
        if not span.server and span.cat == "work":
            lanes.setdefault(span.lane, []).append(span)
    rest = {
        lane: sum(until - since for since, until in pauses(work, start, end))
        for lane, work in lanes.items()
    }
    busiest = min(rest, key=rest.__getitem__, default=None)
    if busiest is None or rest[busiest] >= (end - start) / 2:
        return None
    return busiest
