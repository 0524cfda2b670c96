"""The clients of several traces side by side: who waits for what, and when."""

from __future__ import annotations

from typing import Any

from book.drawing import MARK, Figure, Key, is_narrow
from book.figures.common import slug
from book.figures.timeline import (
    BOLD_PX,
    KINDS,
    Event,
    Trace,
    Traces,
    kind_of,
    lanes_in,
    placed,
)

ANSWERED = Key("has its answer", "tick", "var(--chart-ink)")
#: Room for the names of the lanes, between two traces, and for the last answer's mark.
NAMES_PX = 62
GAP_PX = 14
MARK_PX = 4


def lanes(name: str, traces: Traces) -> Figure:
    """A panel a trace, with its heading; a lane a client."""
    waits = {heading: _waits(trace) for heading, trace in traces.items()}
    names = list(next(iter(waits.values())))
    values = {
        heading: [v for lane, found in of.items() for v in _values(lane, found)]
        for heading, of in waits.items()
    }
    # The longer one's end: each is seen to its last answer.
    last = max((v["end"] for found in values.values() for v in found), default=100.0)
    kinds = {kind: KINDS[kind] for kind in ("head", "body")}

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        count = 1 if narrow else len(traces)
        each = (width - 30 - count * NAMES_PX - (count - 1) * GAP_PX) / count
        x = {
            "field": "start",
            "type": "quantitative",
            "title": "ms",
            "scale": {"domain": [0, last * (1 + MARK_PX / each)], "nice": False},
            "axis": {"tickCount": 5, "grid": False},
        }

        def panel(heading: str) -> dict[str, Any]:
            layers = [
                {
                    "transform": [{"filter": f"datum.kind == '{kind}'"}],
                    "mark": how.mark(px=12),
                    "encoding": {
                        "x": x,
                        "x2": {"field": "end"},
                        "description": {"field": "said"},
                    },
                }
                for kind, how in kinds.items()
            ]
            layers.append(
                {
                    "transform": [{"filter": "datum.answered"}],
                    "mark": {
                        "type": "tick",
                        "thickness": 3,
                        "height": 22,
                        "color": ANSWERED.colour,
                    },
                    "encoding": {"x": {**x, "field": "end"}},
                }
            )
            layers += _measured(names[0], waits[heading][names[0]], last, x, each)
            return {
                "title": {
                    "text": heading,
                    "anchor": "start",
                    "fontWeight": "normal",
                    "fontSize": 13,
                    "offset": 20,
                    "color": "var(--chart-ink)",
                },
                "data": {"values": values[heading]},
                "width": each,
                "height": {"step": 30},
                "encoding": {
                    "y": {
                        "field": "lane",
                        "type": "nominal",
                        "sort": names,
                        "scale": {"domain": names},
                        "axis": {
                            "title": None,
                            "ticks": False,
                            "domain": False,
                            "minExtent": NAMES_PX - 8,
                            "maxExtent": NAMES_PX - 8,
                        },
                    }
                },
                "layer": layers,
            }

        panels = [panel(heading) for heading in traces]
        return {"vconcat" if narrow else "hconcat": panels, "spacing": GAP_PX}

    return Figure(
        name=slug(name),
        title=f"Who waits for what: {'; '.join(traces)}.",
        caption="A lane a client.",
        layout=layout,
        key=[*(kind.key for kind in kinds.values()), ANSWERED],
        header=["clients", "lane", "answers", "longest wait", "shortest wait"],
        rows=[
            [heading, lane, *_row(found)]
            for heading, of in waits.items()
            for lane, found in of.items()
        ],
    )


#: A request -> the waits for its head and its body, in order.
Waits = dict[int, list[Event]]


def _waits(trace: Trace) -> dict[str, Waits]:
    found: dict[str, Waits] = {}
    for lane, events in lanes_in(trace).items():
        if lane.startswith("client"):
            of_lane = found.setdefault(lane, {})
            for event in events:
                if event["name"] in ("wait for head", "wait for body"):
                    of_lane.setdefault(event["args"]["request"], []).append(event)
    return found


def _values(lane: str, waits: Waits) -> list[dict[str, Any]]:
    return [
        {
            "lane": lane,
            "kind": kind_of(event),
            "start": event["ts"] / 1000,
            "end": (event["ts"] + event["dur"]) / 1000,
            # The last wait for an answer ends with it.
            "answered": event is events[-1],
            "said": f"{lane}{MARK}{lane}: {event['name']}, at "
            f"{event['ts'] / 1000:.1f} ms, for {event['dur'] / 1000:.1f} ms",
        }
        for events in waits.values()
        for event in events
    ]


def _took_ms(events: list[Event]) -> float:
    return float(events[-1]["ts"] + events[-1]["dur"] - events[0]["ts"]) / 1000


def _row(waits: Waits) -> list[str]:
    # The first of a connection is another matter.
    later = [_took_ms(found) for number, found in waits.items() if number > 1] or [0.0]
    return [str(len(waits)), f"{max(later):.0f} ms", f"{min(later):.0f} ms"]


def _measured(
    lane: str, waits: Waits, last: float, x: dict[str, Any], plot_px: float
) -> list[dict[str, Any]]:
    """One request of the first client is measured out, the last but one."""
    events = waits[sorted(waits)[-2]] if len(waits) > 1 else next(iter(waits.values()))
    start, took = events[0]["ts"] / 1000, _took_ms(events)
    words = f"{took:.0f} ms for an answer"
    gap = {"lane": lane, "start": start, "end": start + took, "words": words}
    align, at = placed(words, (start + took / 2) / last * plot_px, plot_px, BOLD_PX)
    data = {"data": {"values": [gap]}}
    ink = "var(--chart-ink)"
    bar = {"type": "bar", "height": 1.5, "yOffset": -12, "color": ink}
    tick = {"type": "tick", "height": 7, "thickness": 1.5, "yOffset": -12, "color": ink}
    text = {"type": "text", "align": align, "dy": -21, "fontSize": 12.5}
    said = {"x": {"value": at}, "text": {"field": "words"}}
    return [
        {**data, "mark": bar, "encoding": {"x": x, "x2": {"field": "end"}}},
        {**data, "mark": tick, "encoding": {"x": x}},
        {**data, "mark": tick, "encoding": {"x": {**x, "field": "end"}}},
        {**data, "mark": {**text, "fontWeight": 600, "color": ink}, "encoding": said},
    ]
