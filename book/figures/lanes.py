"""The clients of several traces side by side: who waits for what, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from book.drawing import MARK, Figure, Key, is_narrow
from book.figures.common import slug
from book.figures.timeline import KINDS, kind_of

ANSWERED = Key("has its answer", "bar", "var(--chart-7)")
#: Room for the names of the lanes, and between two traces.
NAMES_PX = 62
GAP_PX = 14


def lanes(name: str, traces: Mapping[str, dict[str, Any]]) -> Figure:
    """A panel a trace, with its heading; a lane a client."""
    values: list[dict[str, Any]] = []
    names: list[str] = []
    rows = []
    for heading, trace in traces.items():
        threads = {
            e["tid"]: str(e["args"]["name"])
            for e in trace["traceEvents"]
            if e["name"] == "thread_name"
        }
        for event in trace["traceEvents"]:
            lane = threads.get(event["tid"], "")
            waits = event["name"] in ("wait for head", "wait for body")
            if event["ph"] != "X" or not waits or not lane.startswith("client"):
                continue
            if lane not in names:
                names.append(lane)
            start, dur = event["ts"] / 1000, event["dur"] / 1000
            said = f"{lane}: {event['name']}, at {start:.1f} ms, for {dur:.1f} ms"
            values.append(
                {
                    "panel": heading,
                    "lane": lane,
                    "kind": kind_of(event),
                    "answer": f"{heading} {lane} {event['args']['request']}",
                    "start": start,
                    "end": start + dur,
                    "said": f"{lane}{MARK}{said}",
                }
            )
        rows += _rows(heading, threads, trace)
    names.sort(key=lambda lane: int(lane.split()[1]))
    # The shorter one's end: what comes later, only some of them show.
    ends = [max(v["end"] for v in values if v["panel"] == each) for each in traces]
    last = min(ends, default=100.0)
    kinds = {kind: KINDS[kind] for kind in ("head", "body")}

    def layout(width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        count = 1 if narrow else len(traces)
        each = (width - 30 - count * NAMES_PX - (count - 1) * GAP_PX) / count

        def panel(heading: str) -> dict[str, Any]:
            x = {
                "field": "start",
                "type": "quantitative",
                "title": "ms",
                "scale": {"domain": [0, last], "nice": False},
                "axis": {"tickCount": 5, "grid": False},
            }
            layers: list[dict[str, Any]] = [
                {
                    "transform": [{"filter": f"datum.kind == '{kind}'"}],
                    "mark": {
                        "type": "bar",
                        "height": how.px,
                        "color": how.colour,
                        "clip": True,
                    },
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
                        "clip": True,
                    },
                    "encoding": {"x": {**x, "field": "end"}},
                }
            )
            return {
                "title": {
                    "text": heading,
                    "anchor": "start",
                    "fontWeight": "normal",
                    "fontSize": 13,
                    "color": "var(--chart-ink)",
                },
                "data": {"values": [v for v in marked if v["panel"] == heading]},
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

    marked = _with_answers(values)
    return Figure(
        name=slug(name),
        title=f"Who waits for what: {'; '.join(traces)}.",
        caption="A lane a client.",
        layout=layout,
        key=[*(Key(k.text, "bar", k.colour) for k in kinds.values()), ANSWERED],
        header=["clients", "lane", "answers", "longest wait", "shortest wait"],
        rows=rows,
    )


def _with_answers(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last wait for an answer ends with it: the body's, if it came by itself."""
    late = {v["answer"] for v in values if v["kind"] == "body"}

    def ends(value: dict[str, Any]) -> bool:
        return value["kind"] == "body" or value["answer"] not in late

    return [{**value, "answered": ends(value)} for value in values]


def _rows(
    heading: str, threads: dict[int, str], trace: dict[str, Any]
) -> list[list[str]]:
    rows = []
    for tid, lane in threads.items():
        if not lane.startswith("client"):
            continue
        waits: dict[int, float] = {}
        for event in trace["traceEvents"]:
            if event["tid"] == tid and event["name"].startswith("wait for"):
                number = event["args"]["request"]
                waits[number] = waits.get(number, 0.0) + event["dur"] / 1000
        # The first of a connection is another matter.
        later = [wait for number, wait in waits.items() if number > 1] or [0.0]
        rows.append(
            [
                heading,
                lane,
                str(len(waits)),
                f"{max(later):.0f} ms",
                f"{min(later):.0f} ms",
            ]
        )
    return rows
