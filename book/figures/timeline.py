"""What each thread did, and what the clients saw: a trace, drawn.

No two kinds of event are told apart by their colour alone: they differ in height or in
pattern, and where there is room, a word stands in the bar. One gap is measured out, the
one that the picture is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from book.drawing import MARK, Figure, Key, is_narrow
from book.figures.common import names_within, row_names, slug
from lab.trace.explain import is_thread, is_wait, one_at_a_time

Event = dict[str, Any]
Trace = dict[str, Any]
#: Some words about a trace -> the trace.
Traces = Mapping[str, Trace]


@dataclass(frozen=True)
class Kind:
    """A kind of event: how it is drawn.

    fill: a colour, a pattern (`url(#…)`, see `book/drawing.py`), or nothing.
    word: stands in the bar, where there is room.
    """

    text: str
    colour: str
    px: int
    glyph: str
    fill: str = ""
    word: str = ""

    @property
    def key(self) -> Key:
        return Key(self.text, self.glyph, self.colour, fill=self.fill == self.colour)

    def mark(self, px: int = 0, clip: bool = False) -> dict[str, Any]:
        mark = {
            "type": "bar",
            "height": px or self.px,
            "fill": self.fill or "transparent",
            "clip": clip,
        }
        if self.fill != self.colour:
            mark |= {"stroke": self.colour, "strokeWidth": 1.5}
        return mark


def _solid(text: str, colour: str, px: int, glyph: str, word: str = "") -> Kind:
    return Kind(text, colour, px, glyph, colour, word)


_GREY, _HEAD, _BODY = "var(--chart-1)", "var(--chart-4)", "var(--chart-3)"
_HELD, _WORK = "var(--chart-5)", "var(--chart-7)"
#: In the order in which they are drawn, and stand in the key.
KINDS = {
    "unknown": Kind("not recorded", _GREY, 2, "dots"),
    "sleeps": _solid("sleeps", _GREY, 3, "thin"),
    "head": Kind("waits for the head", _HEAD, 14, "bar", word="head"),
    "body": _solid("waits for the body", _BODY, 14, "bar", word="body"),
    "held": Kind("held back by the kernel", _HELD, 14, "striped", "url(#striped-5)"),
    "works": _solid("works", _WORK, 20, "tall"),
    "asleep": Kind("in the handler, asleep", _WORK, 20, "tall", word="asleep"),
    "lock": Kind("wants the lock", _WORK, 20, "hatched", "url(#hatched-7)"),
    "interpreter": Kind(
        "wants the interpreter", _WORK, 20, "hatched", "url(#hatched-7)"
    ),
    "core": Kind("wants a core", _GREY, 20, "crossed", "url(#crossed-1)"),
}
_KIND_OF_NAME = {
    "wait for head": "head",
    "wait for body": "body",
    "held back": "held",
    "sleep": "asleep",
    "lock wait": "lock",
    "wants the interpreter": "interpreter",
    "wants a core": "core",
}

#: What takes no time and is what the picture is for: a mark in a client's lane.
MARKS = {
    "told": Key("is told 408", "diamond", "var(--chart-ink)"),
    "refused": Key("is refused", "cross", "var(--chart-ink)"),
    "closed by the server": Key("closed by the server", "square", "var(--chart-ink)"),
}
#: A moment, through all lanes.
STOP = "told to stop"
DEADLINE = "deadline"

#: Letters of the drawing's size are hardly wider than that, those of a gap's words than
#: the other.
LETTER_PX = 6.7
BOLD_PX = 7.7


@dataclass(frozen=True)
class Gap:
    """What is measured out: from the start of an event to the end of it, or of the last
    one that is called `until`, in a lane.

    what: the event's name; nth: which of them.
    words: say `{ms}` where the duration stands.
    """

    lane: str
    what: str
    words: str = "{ms} ms"
    nth: int = 1
    until: str = ""


@dataclass(frozen=True)
class View:
    """How much of the traces is drawn, and how.

    until_ms: the end of the axis, which is else the end of the longest trace.
    inset_ms: so much of the beginning is drawn once more, larger.
    threads: whether all threads of a server share a lane.
    """

    until_ms: float = 0.0
    inset_ms: float = 0.0
    threads: bool = False


def kind_of(event: Event) -> str:
    asleep = "sleeps" if is_wait(event["name"]) else "works"
    return _KIND_OF_NAME.get(event["name"], asleep)


def lanes_in(trace: Trace) -> dict[str, list[Event]]:
    """A trace's lanes in their order: what happens in them, one thing at a time."""
    names: dict[int, str] = {}
    order: dict[int, int] = {}
    events: dict[int, list[Event]] = {}
    for event in trace["traceEvents"]:
        if event["name"] == "thread_name":
            names[event["tid"]] = str(event["args"]["name"])
        elif event["name"] == "thread_sort_index":
            order[event["tid"]] = event["args"]["sort_index"]
        elif event["ph"] == "X":
            events.setdefault(event["tid"], []).append(event)
    return {
        names[tid]: one_at_a_time(events.get(tid, []))
        for tid in sorted(names, key=lambda tid: order.get(tid, tid))
    }


def below_one_another(traces: Traces, threads: bool = False) -> dict[str, list[Event]]:
    """The lanes of all traces, which have the traces' words in their names.

    A thread that is asleep all the time is left out, where there are several traces.
    threads: see `View`.
    """
    found: dict[str, list[Event]] = {}
    for words, trace in traces.items():
        lanes = lanes_in(trace)
        # What the operator does is a line through all lanes.
        at_work = {
            lane: events
            for lane, events in lanes.items()
            if lane != "operator"
            if len(traces) == 1 or {kind_of(e) for e in events} != {"sleeps"}
        }
        if threads:
            of_server = [lane for lane in lanes if is_thread(lane)]
            together = [e for lane in of_server for e in lanes[lane]]
            at_work = {k: v for k, v in at_work.items() if not is_thread(k)}
            at_work[f"all {len(of_server)} threads"] = together
        for lane, events in at_work.items():
            found[f"{lane}, {words}" if words else lane] = events
    return found


def timeline(
    name: str,
    traces: Traces,
    see: Sequence[Gap] = (),
    view: View | None = None,
) -> Figure:
    """Traces of `lab trace`, below one another on one axis."""
    view = view or View()
    lanes = below_one_another(traces, view.threads)
    end_ms = max((_end_ms(e) for events in lanes.values() for e in events), default=1.0)
    end_ms = view.until_ms or end_ms
    gaps = list(_measured(lanes, see or _longest_wait(lanes)))
    lines = [line for trace in traces.values() for line in _lines(trace)]
    panels = [
        _Panel(lanes, gaps, lines, span, heading)
        for span, heading in (
            (end_ms, ""),
            (view.inset_ms, f"the first {view.inset_ms:g} ms once more, larger"),
        )
        if span
    ]
    seen = {value["kind"] for panel in panels for value in panel.values}
    marks = {mark["name"] for panel in panels for mark in panel.marks}

    def layout(width: int) -> dict[str, Any]:
        drawn = [panel.layout(width) for panel in panels]
        return drawn[0] if len(drawn) == 1 else {"vconcat": drawn, "spacing": 26}

    rows = [
        [f"{ts / 1000:.2f} ms", lane, what, f"{dur / 1000:.2f} ms"]
        for ts, lane, what, dur in sorted(
            (e["ts"], lane, e["name"], e["dur"])
            for lane, events in lanes.items()
            for e in events
        )
    ]
    first = next(iter(traces.values()))["otherData"]
    return Figure(
        name=slug(name),
        title=f"What every thread of {first['step']} did. {first['words']}",
        caption="A lane a thread, on one clock with what the client saw.",
        layout=layout,
        key=[
            *(kind.key for what, kind in KINDS.items() if what in seen),
            *(key for what, key in MARKS.items() if what in marks),
            *(Key(words, "dash", "var(--chart-ink)") for words in dict(lines)),
        ],
        header=["at", "lane", "what", "for"],
        rows=rows,
        notes=[
            f"{words}: {note}" if words else note
            for words, trace in traces.items()
            for note in trace["otherData"]["conclusions"]
        ],
    )


def _end_ms(event: Event) -> float:
    return float(event["ts"] + event["dur"]) / 1000


def _lines(trace: Trace) -> Iterator[tuple[str, float]]:
    """Moments that concern all: what they are called, and when."""
    lanes = lanes_in(trace)
    for event in lanes.get("operator", ()):
        if event["name"] == "stop":
            yield STOP, event["ts"] / 1000
    allowed_s = trace["otherData"].get("settings", {}).get("header_timeout")
    slow = [lane for lane, found in lanes.items() if _named(found, "send a byte")]
    if allowed_s and slow:
        received = [
            e
            for lane, events in lanes.items()
            if is_thread(lane)
            for e in _named(events, "receive")
            if e["args"].get("client") == slow[0]
        ]
        # It is set when the first byte has come; no other byte moves it.
        first = min(received, key=lambda e: float(e["ts"]))
        yield DEADLINE, first["ts"] / 1000 + allowed_s * 1000


def _named(events: Sequence[Event], name: str) -> list[Event]:
    return [event for event in events if event["name"] == name]


def _longest_wait(lanes: Mapping[str, Sequence[Event]]) -> list[Gap]:
    waits = [
        (event["dur"], lane, event["name"], nth)
        for lane, events in lanes.items()
        for name in ("wait for head", "wait for body")
        for nth, event in enumerate(_named(events, name), start=1)
    ]
    return [Gap(lane, what, nth=nth) for _, lane, what, nth in sorted(waits)[-1:]]


def _measured(
    lanes: Mapping[str, Sequence[Event]], see: Sequence[Gap]
) -> Iterator[dict[str, Any]]:
    for gap in see:
        events = lanes[gap.lane]
        first = _named(events, gap.what)[gap.nth - 1]
        last = first
        if gap.until:
            last = _named(events, gap.until)[-1]
        start, end = first["ts"] / 1000, _end_ms(last)
        took = end - start
        ms = f"{took:.0f}" if took >= 9.95 else f"{took:.1f}"
        words = gap.words.format(ms=ms)
        yield {"lane": gap.lane, "start": start, "end": end, "words": words}


class _Panel:
    """So many milliseconds of all lanes."""

    def __init__(
        self,
        lanes: Mapping[str, Sequence[Event]],
        gaps: Sequence[dict[str, Any]],
        lines: Sequence[tuple[str, float]],
        end_ms: float,
        heading: str,
    ) -> None:
        self.lanes = list(lanes)
        self.end_ms = end_ms
        self.heading = heading
        self.values = [
            value for lane, events in lanes.items() for value in self._of(lane, events)
        ]
        self.marks = [
            {
                "lane": lane,
                "name": event["name"],
                "at": event["ts"] / 1000,
                "word": event["args"].get("status", event["name"]).split()[0],
            }
            for lane, events in lanes.items()
            for event in events
            if event["name"] in MARKS and event["ts"] / 1000 <= end_ms
        ]
        self.lines = [(words, at) for words, at in lines if at <= end_ms]
        # A gap that is hardly seen here is seen in the other panel.
        self.gaps = [
            gap
            for gap in gaps
            if gap["end"] <= end_ms and gap["end"] - gap["start"] > end_ms / 10
        ]

    def _of(self, lane: str, events: Sequence[Event]) -> Iterator[dict[str, Any]]:
        hair = self.end_ms / 300
        seen_ms = 0.0
        for event in events:
            start, dur = event["ts"] / 1000, event["dur"] / 1000
            if start >= self.end_ms:
                break
            if is_thread(lane) and start - seen_ms > 2 * hair:
                yield self._value(lane, "unknown", "not recorded", seen_ms, start)
            said = f"{lane}: {event['name']}, at {start:.2f} ms, for {dur:.2f} ms"
            # What is shorter than a hair would not be seen.
            end = max(start + dur, start + hair)
            yield self._value(lane, kind_of(event), said, start, end)
            seen_ms = max(seen_ms, start + dur)
        if is_thread(lane) and self.end_ms - seen_ms > 2 * hair:
            yield self._value(lane, "unknown", "not recorded", seen_ms, self.end_ms)

    def _value(
        self, lane: str, kind: str, said: str, start: float, end: float
    ) -> dict[str, Any]:
        end = min(end, self.end_ms)
        return {
            "lane": lane,
            "kind": kind,
            "start": start,
            "end": end,
            "middle": (start + end) / 2,
            "share": (end - start) / self.end_ms,
            "said": f"{lane}{MARK}{said}",
        }

    def layout(self, width: int) -> dict[str, Any]:
        narrow = is_narrow(width)
        names_px = 0 if narrow else 150
        plot_px = width - names_px - 24
        x = {
            "field": "start",
            "type": "quantitative",
            "title": "ms",
            "scale": {"domain": [0, self.end_ms], "nice": False},
            "axis": {"tickCount": 5 if narrow else 10},
        }
        kinds = {v["kind"] for v in self.values}
        layers: list[dict[str, Any]] = []
        for what, kind in KINDS.items():
            if what in kinds:
                layers += _layers_of(what, kind, x, plot_px)
        layers += self._marks(x, plot_px)
        layers += self._gaps(x, plot_px)
        layers = self._lines(x, plot_px) + layers
        if narrow:
            first = {"data": {"values": [{"lane": lane} for lane in self.lanes]}}
            layers.append(names_within(first, "lane", -38))
        axis = row_names(width)
        if axis is not None:
            axis |= {"labelPadding": names_px - 5, "labelLimit": names_px - 5}
            axis |= {"minExtent": names_px, "maxExtent": names_px}
        title = {
            "text": self.heading,
            "anchor": "start",
            "fontWeight": "normal",
            "fontSize": 13,
            "offset": 16 if narrow else 6,
            "color": "var(--chart-ink)",
        }
        return {
            **({"title": title} if self.heading else {}),
            "data": {"values": self.values},
            "width": plot_px,
            "height": {"step": 64 if narrow else 44},
            "encoding": {
                "y": {
                    "field": "lane",
                    "type": "nominal",
                    "sort": self.lanes,
                    "scale": {"domain": self.lanes},
                    "axis": axis,
                }
            },
            "layer": layers,
        }

    def _gaps(self, x: dict[str, Any], plot_px: float) -> list[dict[str, Any]]:
        """A measure above the bar, from its beginning to its end, and how long."""
        ink = "var(--chart-ink)"
        layers: list[dict[str, Any]] = []
        for gap in self.gaps:
            data = {"data": {"values": [gap]}}
            from_to = {"x": x, "x2": {"field": "end"}}
            bar = {"type": "bar", "height": 1.5, "yOffset": -14, "color": ink}
            tick = {"type": "tick", "height": 7, "thickness": 1.5, "yOffset": -14}
            middle = (gap["start"] + gap["end"]) / 2 / self.end_ms * plot_px
            align, at = placed(gap["words"], middle, plot_px, BOLD_PX)
            text = {"type": "text", "align": align, "dy": -22, "fontSize": 12.5}
            layers += [
                {**data, "mark": bar, "encoding": from_to},
                {**data, "mark": {**tick, "color": ink}, "encoding": {"x": x}},
                {
                    **data,
                    "mark": {**tick, "color": ink},
                    "encoding": {"x": {**x, "field": "end"}},
                },
                {
                    **data,
                    "mark": {**text, "color": ink, "fontWeight": 600},
                    "encoding": {"x": {"value": at}, "text": {"field": "words"}},
                },
            ]
        return layers

    def _marks(self, x: dict[str, Any], plot_px: float) -> list[dict[str, Any]]:
        layers: list[dict[str, Any]] = []
        for mark in self.marks:
            key = MARKS[str(mark["name"])]
            data = {"data": {"values": [mark]}}
            place = {"x": {**x, "field": "at"}}
            shape = {"type": "point", "shape": key.glyph, "size": 90, "opacity": 1}
            shape |= {"filled": True, "color": key.colour}
            room = plot_px * (1 - mark["at"] / self.end_ms)
            fits = room > len(mark["word"]) * LETTER_PX + 10
            text = {"type": "text", "fontSize": 12}
            text |= {"align": "left", "dx": 9} if fits else {"align": "right", "dy": 18}
            layers += [
                {**data, "mark": shape, "encoding": place},
                {
                    **data,
                    "mark": text,
                    "encoding": {**place, "text": {"field": "word"}},
                },
            ]
        return layers

    def _lines(self, x: dict[str, Any], plot_px: float) -> list[dict[str, Any]]:
        layers: list[dict[str, Any]] = []
        for words, at_ms in self.lines:
            data = {"data": {"values": [{"start": at_ms, "words": words}]}}
            rule = {"type": "rule", "strokeDash": [5, 4], "color": "var(--chart-ink)"}
            whole = {"x": x, "y": {"value": 0}, "y2": {"value": "height"}}
            align, at = placed(words, at_ms / self.end_ms * plot_px, plot_px)
            text = {"type": "text", "align": align, "fontSize": 12, "baseline": "top"}
            name = {"x": {"value": at}, "y": {"value": -26}, "text": {"field": "words"}}
            layers += [
                {**data, "mark": rule, "encoding": whole},
                {**data, "mark": text, "encoding": name},
            ]
        return layers


def _layers_of(
    what: str, kind: Kind, x: dict[str, Any], plot_px: float
) -> list[dict[str, Any]]:
    one = {"filter": f"datum.kind == '{what}'"}
    from_to = {"x": x, "x2": {"field": "end"}, "description": {"field": "said"}}
    if what == "unknown":
        rule = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": kind.px}
        rule |= {"color": kind.colour}
        return [{"transform": [one], "mark": rule, "encoding": from_to}]
    layers = [{"transform": [one], "mark": kind.mark(), "encoding": from_to}]
    if kind.word:
        room = (len(kind.word) * LETTER_PX + 6) / plot_px
        wide = {"filter": f"datum.share > {room:.4f}"}
        ink = "var(--chart-paper)" if kind.fill else "var(--chart-ink)"
        word = {"type": "text", "text": kind.word, "fontSize": 12, "color": ink}
        middle = {"x": {**x, "field": "middle"}}
        layers.append({"transform": [one, wide], "mark": word, "encoding": middle})
    return layers


def placed(
    words: str, at: float, plot_px: float, letter_px: float = LETTER_PX
) -> tuple[str, float]:
    """Where words stand that belong to a place: how aligned, and at what pixel."""
    half = len(words) * letter_px / 2
    if at < half:
        return "left", 0.0
    if at > plot_px - half:
        return "right", plot_px
    return "center", at
