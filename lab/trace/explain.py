"""Say of each request in a trace where its time went: computed from its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: A request that took less has no gap worth a word.
GAP_MS = 5.0
#: Times are rounded: an event may seem to end so much later than the one around it.
OVERLAP_US = 0.2
#: What takes less than this share of a gap does not explain it.
LEAST_SHARE = 0.1
#: What a thread does that has nothing to do.
IDLE = ("select", "wait for a job")

Event = dict[str, Any]
#: The JSON object that `lab/trace/play.py` describes.
Trace = dict[str, Any]


def is_want(name: str) -> bool:
    """Whether a thread would go on in an event of this name, and is not let."""
    return name in ("lock wait", "wants the interpreter", "wants a core")


def is_sleep(name: str) -> bool:
    """Whether a thread sleeps in an event of this name: it wants nothing but news."""
    return name.startswith("wait ") or name in (
        "select",
        "silent",
        "pause",
        "not reading",
        "sleep",
    )


def is_wait(name: str) -> bool:
    """Whether a thread does not run in an event of this name."""
    return is_sleep(name) or is_want(name)


def is_thread(lane: str) -> bool:
    """Whether a lane is a thread of the server."""
    return not lane.startswith(("client", "queue", "operator"))


def one_at_a_time(events: Sequence[Event]) -> list[Event]:
    """A lane's events without overlap: what happens in a handler is cut out of it."""
    found: list[Event] = []
    for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
        if found and end_us(event) < end_us(found[-1]) + OVERLAP_US:
            outer = found.pop()
            after = round(end_us(outer) - end_us(event), 1)
            before = round(event["ts"] - outer["ts"], 1)
            found.append({**outer, "dur": max(0.0, before)})
            found.append(event)
            found.append({**outer, "ts": end_us(event), "dur": max(0.0, after)})
        else:
            found.append(event)
    return [e for e in found if e["dur"] > 0 or e["name"] != "handler"]


def lanes_of(trace: Trace) -> dict[str, list[Event]]:
    """The timed events of each lane, in order; lanes as they are to be drawn."""
    lanes: dict[int, tuple[str, list[Event]]] = {}
    for event in trace["traceEvents"]:
        if event["name"] == "thread_name":
            lanes[event["tid"]] = (event["args"]["name"], [])
        elif event["ph"] == "X":
            lanes[event["tid"]][1].append(event)
    return dict(lanes.values())


def conclusions(trace: Trace) -> list[str]:
    """For each request, in the order sent: its longest gap, and what filled it. After
    a stop, also what became of each client."""
    lanes = lanes_of(trace)
    clients = [lane for lane in lanes if lane.startswith("client")]
    stops = [e["ts"] for e in lanes.get("operator", ()) if e["name"] == "stop"]
    asked: list[tuple[float, str]] = []
    for client in clients:
        for event in lanes[client]:
            if event["name"] == "send request":
                number = event["args"]["request"]
                who = f"request {number}"
                if len(clients) > 1:
                    who = f"{client}, {who}"
                text = f"{who}: {_conclusion(lanes, client, number)}"
                asked.append((event["ts"], text))
            elif event["name"] == "told":
                sent = [e for e in lanes[client] if e["name"] == "send a byte"]
                took = (event["ts"] - sent[0]["ts"]) / 1000
                told = event["args"]["status"]
                text = f"{len(sent)} bytes in {took:.0f} ms, and then was told {told}"
                asked.append((event["ts"], f"{client} sent {text}"))
            elif event["name"] in ("closed by the server", "refused") and stops:
                later = (event["ts"] - stops[0]) / 1000
                text = f"{client}: {event['name']} {later:.0f} ms after the stop"
                if "told" in event["args"]:
                    how = "as its answer had said"
                    text += f", {how if event['args']['told'] else 'without a word'}"
                asked.append((event["ts"], text))
    return [text for _, text in sorted(asked)]


def _conclusion(lanes: dict[str, list[Event]], client: str, number: int) -> str:
    events = [e for e in lanes[client] if e["args"].get("request") == number]
    waits = [e for e in events if e["name"].startswith("wait for")]
    for slow in (e for e in events if e["name"] == "not reading"):
        took = (end_us(waits[-1]) - end_us(slow)) / 1000
        text = f"not read for {slow['dur'] / 1000:.0f} ms, then in {took:.1f} ms"
        return f"{text}; the kernel took {_sent(lanes, client)}"
    total = (end_us(waits[-1]) - events[0]["ts"]) / 1000
    if total < GAP_MS:
        return f"answered in {total:.1f} ms"
    gap = max(waits, key=lambda e: float(e["dur"]))
    before = {
        "wait for head": "until the head arrived",
        "wait for body": "between the head's arrival and the body's",
    }[gap["name"]]
    text = f"{gap['dur'] / 1000:.1f} ms {before}; meanwhile "
    servers = {
        lane: found
        for lane, all_events in lanes.items()
        if not lane.startswith(("client", "queue"))
        and (found := _main(one_at_a_time(all_events), gap))
    }
    if all(is_sleep(found[0]["name"]) for found in servers.values()):
        text += "every thread of the server slept: "
    said: dict[str, list[str]] = {}
    for lane, found in servers.items():
        said.setdefault(_described(found), []).append(lane)
    text += "; ".join(f"{_listed(who)} {what}" for what, who in said.items())
    idle = gap["name"] == "wait for head" and all(
        found[0]["name"] in IDLE for found in servers.values()
    )
    watched = [
        w for found in servers.values() for w in found[0]["args"].get("watched", ())
    ]
    if idle and client not in watched:
        text += f"; nobody watched {client}"
    for held in _main(lanes.get(f"queue to {client}", []), gap)[:1]:
        text += (
            f"; the server's kernel held {held['args']['unsent']} bytes back until "
            f"{held['args']['unacknowledged']} were acknowledged"
        )
    return text


def _sent(lanes: dict[str, list[Event]], client: str) -> str:
    """How many bytes the server's calls gave the kernel for this client, and when."""
    sends = sorted(
        (event["ts"], lane, event["name"], event["args"]["bytes"])
        for lane, events in lanes.items()
        for event in events
        if event["args"].get("client") == client
        and event["name"] in ("send head", "send body", "send both", "wait to send")
        and event["args"]["bytes"]
    )
    parts: list[str] = []
    for ts, lane, name, count in sends:
        later = (ts - sends[0][0]) / 1000
        when = f"{later:.0f} ms later" if parts else "at once"
        if name == "wait to send":
            when = f"while {lane} waited"
        parts.append(f"{count:,} bytes {when}")
    return ", ".join(parts)


def _main(events: Sequence[Event], gap: Event) -> list[Event]:
    """Those of one name that fill most of a gap, longest first.

    That a thread wanted a core is the machine's doing: said if there is nothing else.
    """
    filled: dict[str, float] = {}
    for event in events:
        filled[event["name"]] = filled.get(event["name"], 0) + _overlap(event, gap)
    found = [name for name, us in filled.items() if us >= LEAST_SHARE * gap["dur"]]
    if not found:
        return []
    name = max(found, key=lambda name: (name != "wants a core", filled[name]))
    filling = [e for e in events if e["name"] == name and _overlap(e, gap) > 0]
    return sorted(filling, key=lambda e: -_overlap(e, gap))


def _described(events: Sequence[Event]) -> str:
    name, args = events[0]["name"], events[0]["args"]
    match name:
        case "select":
            return f"in select({', '.join(args['watched'])})"
        case "wait for a job":
            return "waiting for a job"
        case "wait to receive":
            return f"waiting to receive from {args['client']}"
        case "wait to send":
            return f"waiting for {args['client']} to read"
        case "handler":
            return f"in the handler of {args['target']}"
        case "sleep":
            return f"asleep in the handler of {args['target']}"
        case "wants the interpreter" | "wants a core":
            return f"wanting {name.removeprefix('wants ')}"
        case "spin":
            calls = sum(e["args"]["calls"] for e in events)
            return f"calling select() {calls:,} times for nothing"
    return f"in {name}"


def _listed(lanes: Sequence[str]) -> str:
    if len(lanes) > 2 and all(lane.startswith("worker") for lane in lanes):
        return f"{len(lanes)} workers"
    return " and ".join(lanes)


def end_us(event: Event) -> float:
    return float(event["ts"] + event["dur"])


def _overlap(event: Event, other: Event) -> float:
    start = max(event["ts"], other["ts"])
    return max(0.0, min(end_us(event), end_us(other)) - float(start))
