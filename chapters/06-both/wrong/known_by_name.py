"""Takes a lane for the server's by its name.

Breaks: Returns the lane, none of the server's
Refused by: test_none_of_the_server
Told: a name need not show it
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Something that somebody did, or slept in. Times are microseconds, on one clock.

    A span of a timeline as `python -m lab trace` records it. Spans of one lane may
    overlap, and one may lie within another: a request, and the send within it.
    """

    #: Who: "keeper" or "worker-1", "client 1", "kernel". The kernel is at work while it
    #: holds bytes back.
    lane: str
    #: Whether that is a thread of the server.
    server: bool
    #: What: "send body", "select", "lock wait".
    name: str
    #: "work", or "wait" where the lane sleeps: in select(), in recv(), for a lock.
    cat: str
    #: When it began, and how long it took. It may take 0: less than the clock shows.
    ts: float
    dur: float


def pauses(
    spans: Iterable[Span], start: float, end: float
) -> Iterator[tuple[float, float]]:
    """The times from `start` to `end` in which none of these spans is, in order.

    This is given; there is nothing to do in it. It looks at neither lanes nor names.
    Spans may overlap, come in any order, and begin or end outside; a span that takes 0
    ends a pause, and another begins.

    Example, with the spans of two threads:

        >>> list(
        ...     pauses(
        ...         [
        ...             Span("keeper", True, "hand over", "work", 100, 50),
        ...             Span("worker-1", True, "serve", "work", 130, 200),
        ...         ],
        ...         start=0,
        ...         end=1000,
        ...     )
        ... )
        [(0, 100), (330, 1000)]
    """
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
    """Find the longest time, from `start` to `end`, in which the server does nothing.

    Returns when it begins and when it ends, in microseconds, both within `start` and
    `end`: a time in which no thread of the server works. Of several that are equally
    long it returns the first. Returns None if some thread is at work all the time.

    A thread that sleeps does not work. What clients and the kernel do does not fill a
    gap. A span that takes 0 is work, too: a gap ends there, and another begins.

    Example: a worker sends a head and a body, and the client waits for both.

        >>> longest_gap(
        ...     [
        ...         Span("worker-1", True, "send head", "work", 100, 50),
        ...         Span("worker-1", True, "send body", "work", 170, 20),
        ...         Span("client 1", False, "wait for body", "wait", 155, 845),
        ...         Span("kernel", False, "held back", "work", 190, 800),
        ...     ],
        ...     start=100,
        ...     end=1000,
        ... )
        (190, 1000)

    spans: a list or a tuple, in any order, which is left as it is. They may begin
        before `start`, or end after `end`.
    start, end: of one request, as its client saw it; `start` is less than `end`.
    """
    busy = [span for span in spans if span.server and span.cat == "work"]
    return max(pauses(busy, start, end), key=lambda gap: gap[1] - gap[0], default=None)


def whose(spans: Sequence[Span], start: float, end: float) -> str | None:
    """Tell whose a gap is: who was at work while the server was not.

    Returns the lane, none of the server's, that works for more than half of the time
    from `start` to `end`; of several, the one that works longest. Returns None if
    there is none: a long gap in which everybody sleeps was ended by a clock, like the
    timeout of select() in chapter 03.

    A lane that does two things at a time works once.

    Example: with the spans above, `whose(spans, 190, 1000)` is "kernel". The client
    had the longer span, but it slept.

    start, end: of a gap, as longest_gap() returns it, or of any other time.
    """
    best, most = None, (end - start) / 2
    for lane in {
        span.lane for span in spans if not span.lane.startswith(("worker", "keeper"))
    }:
        own = [s for s in spans if s.lane == lane and s.cat == "work"]
        slept = sum(b - a for a, b in pauses(own, start, end))
        worked = end - start - slept
        if worked > most:
            best, most = lane, worked
    return best


# Below is nothing to do. `python chapters/06-both/exercise.py` shows what your two
# functions find in the recording of this chapter, or in one of your own:
#     python -m lab trace step03 --output mine.json
#     python chapters/06-both/exercise.py mine.json
if __name__ == "__main__":
    import json
    import sys

    path = (*sys.argv[1:], "docs/measurements/traces/step06.json")[0]
    with open(path, encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    lanes = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    timeline = [
        Span(
            # The server's send queue towards a client is its kernel's.
            "kernel" if lanes[e["tid"]].startswith("queue") else lanes[e["tid"]],
            not lanes[e["tid"]].startswith(("client", "queue")),
            *(e["name"], e["cat"], e["ts"], e["dur"]),
        )
        for e in events
        if e["ph"] == "X"
    ]
    requests: dict[tuple[str, int], list[float]] = {}
    for e in events:
        if "request" in e["args"]:
            times = requests.setdefault((lanes[e["tid"]], e["args"]["request"]), [])
            times += [e["ts"], e["ts"] + e["dur"]]
    for (client, number), times in requests.items():
        gap = longest_gap(timeline, min(times), max(times))
        print(f"{client}, request {number}: {max(times) - min(times):.0f} µs", end="")
        if gap:
            owner = whose(timeline, *gap) or "nobody"
            print(f"; longest gap: {gap[1] - gap[0]:.0f} µs, {owner}", end="")
        print()
