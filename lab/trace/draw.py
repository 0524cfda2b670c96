"""Draw a trace in the terminal: the lanes in characters, or every event in a line."""

from __future__ import annotations

from typing import Any

from lab.trace.explain import Trace, end_us, is_want, lanes_of, one_at_a_time

#: What a cell of the picture shows, the most telling first.
_SIGNS = (
    ("▒", "spins", lambda e: e["name"] == "spin"),
    ("█", "works", lambda e: e["cat"] == "work" and e["name"] != "held back"),
    ("░", "in the handler, asleep", lambda e: e["name"] == "sleep"),
    ("╌", "wants the interpreter, or a lock", lambda e: is_want(e["name"])),
    ("▓", "held back by the kernel", lambda e: e["name"] == "held back"),
    ("═", "waits for the body", lambda e: e["name"] == "wait for body"),
    ("─", "waits for the head", lambda e: e["name"] == "wait for head"),
    ("·", "sleeps", lambda e: True),
)


def draw(trace: Trace, width: int = 64) -> str:
    """The lanes, each a line of `width` cells, and what the signs mean."""
    lanes = lanes_of(trace)
    last = max(end_us(e) for events in lanes.values() for e in events)
    margin = max(map(len, lanes)) + 2
    title = f"0 ms{last / 1000:>{width - 7}.0f} ms"
    lines = [" " * margin + title]
    shown = set()
    for lane, events in lanes.items():
        cells = [" "] * width
        for sign, _, test in reversed(_SIGNS):
            for event in filter(test, one_at_a_time(events)):
                first = int(event["ts"] / last * width)
                # What ends within a cell does not have it, unless it began there.
                end = max(int(end_us(event) / last * width), first + 1)
                cells[first:end] = sign * (min(end, width) - first)
        shown |= set(cells)
        lines.append(f"{lane:{margin}}{''.join(cells)}".rstrip())
    legend = "   ".join(f"{sign} {words}" for sign, words, _ in _SIGNS if sign in shown)
    return "\n".join([*lines, legend])


def listing(trace: Trace) -> str:
    """Every event, a line each."""
    rows = sorted(
        (event["ts"], event["dur"], lane, event["name"], event["args"])
        for lane, events in lanes_of(trace).items()
        for event in events
    )
    return "\n".join(
        f"{ts / 1000:9.3f} {dur / 1000:9.3f}  {lane:18} {name}  {_noted(args)}".rstrip()
        for ts, dur, lane, name, args in rows
    )


def _noted(args: dict[str, Any]) -> str:
    def shown(value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else str(value)

    return "; ".join(f"{key}: {shown(value)}" for key, value in args.items())
