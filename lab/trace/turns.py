"""When did a thread want to run, and could not? What is concluded from a recording.

Measured, of each event: how long its thread was on a core, and how long it waited for
one (`lab/trace/recorder.py`). A thread could have gone on

- between two events, where it runs the step's own code;
- in a call that waits for nobody, such as `wake`;
- in a handler, where the recorder saw that it was `not running`;
- at the end of a call that waits, when what it waited for had come: the client had sent
  (the clients are on the same clock), the pipe was written to, the job was handed over,
  the time to sleep was over.

If such a span lasts a millisecond or more, and the thread was on a core for less than
half of it, it wanted something. Where it waited for a core meanwhile, as the kernel
says, for half of what is missing, the span becomes an event `wants a core`. Otherwise,
in a Python that has the interpreter's lock (GIL), and in a server of several threads,
it becomes `wants the interpreter`: that is inferred, for nobody tells who has that
lock. In a Python without it, or with one thread, nothing is said. When, within the
span, the thread ran is not known: it is drawn as first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from lab.trace.explain import OVERLAP_US, Event, end_us, is_thread

#: What is shorter is not worth a word.
LEAST_US = 1000.0
#: What the recorder measured of each event, for this module alone.
MEASURED = ("core_ns", "queued_ns")
#: What a client does that ends a wait for it.
_SENDS = ("send request", "send half", "send a byte", "close")

#: Whom or what a thread may wait for -> when something came from there.
Came = dict[str, list[float]]


def with_wants(
    events: Sequence[Event], lanes: dict[int, str], gil: bool
) -> list[Event]:
    """The events of a trace, and those that say what a thread wanted, in order.

    Takes what is `MEASURED` from `args`; what lasts a millisecond or more has
    `on_core_ms` there instead.
    """
    found: list[Event] = []
    came = _came(events, lanes)
    gil = gil and sum(is_thread(lane) for lane in lanes.values()) > 1
    ordered = sorted(events, key=lambda e: (e["tid"], e["ts"], -e["dur"]))
    for _, group in groupby(ordered, key=lambda e: e["tid"]):
        around: Event | None = None
        for event in group:
            if around is not None and end_us(event) <= end_us(around) + OVERLAP_US:
                found += _in_handler(event, gil)
                continue
            if around is not None:
                found += _wanted(_between(around, event), gil)
            around = event
            if event["name"] == "handler" and _has_more_within(event, events):
                found.append(event)
            else:
                found += _cut(event, _could_go_on_from(event, came), gil)
    for event in found:
        core, _ = (event["args"].pop(name, None) for name in MEASURED)
        if core and event["dur"] >= LEAST_US:
            event["args"]["on_core_ms"] = round((core[1] - core[0]) / 1e6, 2)
    return sorted(found, key=lambda e: (e["ts"], -e["dur"]))


def _has_more_within(handler: Event, events: Sequence[Event]) -> bool:
    return any(
        e["tid"] == handler["tid"]
        and e["name"] in ("sleep", "not running")
        and handler["ts"] <= e["ts"] < end_us(handler)
        for e in events
    )


def _in_handler(event: Event, gil: bool) -> Iterator[Event]:
    if event["name"] == "not running":
        yield from _wanted(event, gil) or [event]
    else:
        yield from _cut(event, _could_go_on_from(event, {}), gil)


def _cut(event: Event, ready_us: float, gil: bool) -> Iterator[Event]:
    """The event; without its end, if the thread could not go on when it might have."""
    late = {**event, "ts": ready_us, "dur": round(end_us(event) - ready_us, 1)}
    wanted = _wanted(late, gil)
    if wanted:
        rest = round(wanted[0]["ts"] - event["ts"], 1)
        event = {**event, "dur": rest, "args": dict(event["args"])}
        event["args"].pop("core_ns")
    yield event
    yield from wanted


def _wanted(span: Event, gil: bool) -> list[Event]:
    """What a thread wanted in a span in which it could have gone on; or nothing."""
    core = span["args"].get("core_ns")
    if core is None or span["dur"] < LEAST_US:
        return []
    ran_us = (core[1] - core[0]) / 1000
    missing_us = span["dur"] - ran_us
    if missing_us < span["dur"] / 2:
        return []
    queued = span["args"].get("queued_ns", 0) / 1000 >= missing_us / 2
    if not queued and not gil:
        return []
    return [
        {
            **span,
            "name": "wants a core" if queued else "wants the interpreter",
            "cat": "wait",
            "ts": round(span["ts"] + ran_us, 1),
            "dur": round(missing_us, 1),
            "args": {},
        }
    ]


def _between(one: Event, other: Event) -> Event:
    args: dict[str, Any] = {}
    if "core_ns" in one["args"] and "core_ns" in other["args"]:
        args["core_ns"] = (one["args"]["core_ns"][1], other["args"]["core_ns"][0])
        # The recorder asks when an event ends: so this may be the event's own.
        args["queued_ns"] = other["args"]["queued_ns"]
    dur = round(other["ts"] - end_us(one), 1)
    return {**one, "ts": end_us(one), "dur": dur, "args": args}


def _could_go_on_from(event: Event, came: Came) -> float:
    """From when on an event's thread waits for nobody; its end, if that is unknown."""
    start, end, args = float(event["ts"]), end_us(event), event["args"]
    match event["name"]:
        case "select":
            moments = [
                at for name in args.get("ready", ()) for at in came.get(name, ())
            ]
            return min((at for at in moments if start <= at <= end), default=end)
        case "wait to receive":
            moments = came.get(args.get("client", ""), [])
            return min((at for at in moments if start <= at <= end), default=end)
        case "wait for a job":
            moments = came.get(f"job of {args.get('client')}", [])
            given = max((at for at in moments if at <= end), default=end)
            return max(start, given)
        case "sleep":
            return min(end, start + float(args["asked_ms"]) * 1000)
        case "wait to send" | "lock wait" | "spin":
            return end
    return start


def _came(events: Sequence[Event], lanes: dict[int, str]) -> Came:
    """When something came from a client, for the listener, through the pipe or the
    queue."""
    came: Came = {}
    for event in events:
        match event["name"]:
            case "wake":
                came.setdefault("pipe", []).append(event["ts"])
            case "connect":
                came.setdefault("listener", []).append(end_us(event))
            case "hand over":
                whose = f"job of {event['args'].get('client')}"
                came.setdefault(whose, []).append(event["ts"])
            case name if name in _SENDS:
                came.setdefault(lanes[event["tid"]], []).append(end_us(event))
    return came
