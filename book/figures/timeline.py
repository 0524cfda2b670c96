"""What each thread did, and what the clients saw: a trace, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from book.drawing import MARK, Figure, Key, is_narrow
from book.figures.common import names_within, row_names, slug


@dataclass(frozen=True)
class Kind:
    """A kind of event: how it is drawn."""

    text: str
    colour: str
    px: int


#: In the order in which they are drawn, and stand in the key.
KINDS = {
    "sleeps": Kind("sleeps", "var(--chart-1)", 3),
    "head": Kind("waits for the head", "var(--chart-4)", 12),
    "body": Kind("waits for the body", "var(--chart-3)", 12),
    "held": Kind("held back by the kernel", "var(--chart-5)", 12),
    "works": Kind("works", "var(--chart-7)", 20),
}
#: Where a server is told to stop, through all lanes.
STOP = Key("told to stop", "dash", "var(--chart-ink)")
_KIND_OF_NAME = {"wait for head": "head", "wait for body": "body", "held back": "held"}


def kind_of(event: dict[str, Any]) -> str:
    asleep = "sleeps" if event["cat"] == "wait" else "works"
    return _KIND_OF_NAME.get(event["name"], asleep)


def below_one_another(traces: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Some words -> a trace: all as one, whose lanes have these words in their names.

    A worker that is asleep all the time is left out, where there are several traces.
    """
    if len(traces) == 1:
        return next(iter(traces.values()))
    events: list[dict[str, Any]] = []
    notes = []
    for number, (words, trace) in enumerate(traces.items()):
        at_work = {
            e["tid"]
            for e in trace["traceEvents"]
            if e["ph"] == "X" and kind_of(e) != "sleeps"
        }
        for event in trace["traceEvents"]:
            if event["tid"] not in at_work:
                continue
            event = {**event, "tid": event["tid"] + 1000 * number}
            if event["name"] == "thread_name":
                event["args"] = {"name": f"{event['args']['name']}, {words}"}
            if event["name"] == "thread_sort_index":
                order = event["args"]["sort_index"] + 1000 * number
                event["args"] = {"sort_index": order}
            events.append(event)
        notes += [f"{words}: {note}" for note in trace["otherData"]["conclusions"]]
    first = next(iter(traces.values()))
    return {
        "traceEvents": events,
        "otherData": {**first["otherData"], "conclusions": notes},
    }


def timeline(name: str, trace: dict[str, Any]) -> Figure:
    """What each thread did, and what the clients saw: a trace of `lab/trace.py`."""
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    named = {
        what: {e["tid"]: e["args"] for e in trace["traceEvents"] if e["name"] == what}
        for what in ("thread_name", "thread_sort_index")
    }
    tids = sorted(
        named["thread_name"],
        key=lambda tid: named["thread_sort_index"].get(tid, {}).get("sort_index", tid),
    )
    lanes = {tid: str(named["thread_name"][tid]["name"]) for tid in tids}
    end_ms = max((e["ts"] + e["dur"] for e in events), default=1000.0) / 1000
    values = []
    for event in events:
        start, dur = event["ts"] / 1000, event["dur"] / 1000
        lane = lanes[event["tid"]]
        values.append(
            {
                "lane": lane,
                "kind": kind_of(event),
                "start": start,
                # What is shorter than a hair would not be seen.
                "end": max(start + dur, start + end_ms / 300),
                "middle": start + dur / 2,
                "share": dur / end_ms,
                "label": f"{event['name']}, {dur:.1f} ms",
                "said": f"{lane}{MARK}{lane}: {event['name']}, at {start:.2f} ms, "
                f"for {dur:.2f} ms",
            }
        )
    stops = [e["ts"] / 1000 for e in events if e["name"] == "stop"]
    seen = {value["kind"] for value in values}
    kinds = {kind: how for kind, how in KINDS.items() if kind in seen}

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        names_px = 0 if narrow else 130
        x = {
            "field": "start",
            "type": "quantitative",
            "title": "ms",
            "scale": {"domain": [0, end_ms], "nice": False},
            "axis": {"tickCount": 5 if narrow else 10},
        }
        layers: list[dict[str, Any]] = [
            {
                "transform": [{"filter": f"datum.kind == '{kind}'"}],
                "mark": {"type": "bar", "height": how.px, "color": how.colour},
                "encoding": {
                    "x": x,
                    "x2": {"field": "end"},
                    "description": {"field": "said"},
                },
            }
            for kind, how in kinds.items()
        ]
        # Room for the label is a share of the width.
        least = 0.45 if narrow else 0.25
        told = (
            f"datum.share > {least} && indexof(['head','body','held'], datum.kind) >= 0"
        )
        layers.append(
            {
                "transform": [{"filter": told}],
                "mark": {"type": "text", "dy": -14, "fontSize": 12},
                "encoding": {
                    "x": {**x, "field": "middle"},
                    "text": {"field": "label"},
                },
            }
        )
        if stops:
            at = {"data": {"values": [{"start": ms} for ms in stops]}}
            whole = {"x": x, "y": {"value": 0}, "y2": {"value": "height"}}
            rule = {"type": "rule", "strokeDash": [5, 4], "color": STOP.colour}
            layers.insert(0, {**at, "mark": rule, "encoding": whole})
        if narrow:
            first = {"data": {"values": [{"lane": lane} for lane in lanes.values()]}}
            layers.append(names_within(first, "lane", -30))
        axis = row_names(width)
        if axis is not None:
            axis |= {"labelPadding": names_px - 5, "labelLimit": names_px - 5}
            axis |= {"minExtent": names_px, "maxExtent": names_px}
        return {
            "data": {"values": values},
            "width": width - names_px - 24,
            "height": {"step": 58 if narrow else 44},
            "encoding": {
                "y": {
                    "field": "lane",
                    "type": "nominal",
                    "sort": list(lanes.values()),
                    "axis": axis,
                }
            },
            "layer": layers,
        }

    rows = [
        [f"{ts / 1000:.2f} ms", lanes[tid], what, f"{dur / 1000:.2f} ms"]
        for ts, tid, what, dur in sorted(
            (e["ts"], e["tid"], e["name"], e["dur"]) for e in events
        )
    ]
    words = trace["otherData"]
    return Figure(
        name=slug(name),
        title=f"What every thread of {words['step']} did. {words['words']}",
        caption="A lane a thread, on one clock with what the client saw.",
        layout=layout,
        key=[Key(how.text, "bar", how.colour) for how in kinds.values()]
        + [STOP] * bool(stops),
        header=["at", "lane", "what", "for"],
        rows=rows,
        notes=words["conclusions"],
    )
