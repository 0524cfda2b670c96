"""The 44 milliseconds: where a response's bytes are, moment by moment.

From traces of one client: a rail for the server's threads, one for its kernel, one for
the client's kernel, one for the client. Head and body are blocks that stand in one of
them. What a trace has no event for, as when an acknowledgement is sent, is inferred
from those that it has, and says so.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from book.drawing import NARROW_PX, WIDE_PX, is_narrow
from book.drawn import BookError
from book.figures.common import slug
from book.works.common import Materials, Work
from lab.trace.explain import Event, Trace, end_us, lanes_of

#: Where a block can be, from the server to the client.
RAILS = ("server’s threads", "server’s kernel", "client’s kernel", "client")
THREADS, SERVER, NETWORK, CLIENT = range(4)
#: The whole axis, in ms.
AXIS_MS = 90
#: Between two stops so far apart there is one more, where nothing happens.
LONG_MS = 5.0
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
ACK = "acknowledgement"


class Switch(NamedTuple):
    """A recording that can be chosen."""

    label: str
    step: str
    scenario: str = ""


SWITCHES = {
    "two writes": Switch("two writes", "step06"),
}


class Bar(NamedTuple):
    """What a rail was busy with, from when to when, in ms."""

    rail: int
    start: float
    end: float
    kind: str


@dataclass
class Stop:
    """A moment at which something happens, and how things stand after it.

    moves: the blocks that come to a rail, or (None) are gone.
    at: the rail of each block that there is.
    rails: each rail, in a few words.
    """

    ms: float
    said: str
    moves: dict[str, int | None] = field(default_factory=dict)
    inferred: bool = False
    #: Whether something is kept from here on: by rail, in a few words.
    keeps: dict[int, str] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    rails: list[str] = field(default_factory=list)


@dataclass
class Case:
    """One recording, as the figure shows it."""

    label: str
    stops: list[Stop]
    bars: list[Bar]


def ladder(materials: Materials, *names: str) -> Work:
    """names: of SWITCHES; the first is shown first, and drawn."""
    cases = []
    for name in names or tuple(SWITCHES):
        if name not in SWITCHES:
            raise BookError(f"no switch {name!r}: {', '.join(SWITCHES)}")
        label, step, scenario = SWITCHES[name]
        cases.append(case_of(label, materials.trace(step, scenario)))
    return Work(
        name=slug("ladder", *names),
        caption="Where the bytes of a response are.",
        words=list(in_words(cases)),
        still=still(cases[0], NARROW_PX),
        wide=still(cases[0], WIDE_PX),
        data=data_of(cases),
    )


def data_of(cases: Sequence[Case]) -> dict[str, Any]:
    """What docs/assets/work/ladder.js needs. Sentences stand once, in `texts`."""
    texts: dict[str, int] = {}

    def text(words: str) -> int:
        return texts.setdefault(words, len(texts))

    shown = [
        {
            "label": case.label,
            "bars": [[bar.rail, bar.start, bar.end, bar.kind] for bar in case.bars],
            "stops": [
                [
                    stop.ms,
                    text(stop.said),
                    [text(words) for words in stop.rails],
                    {str(text(block)): rail for block, rail in stop.at.items()},
                    int(stop.inferred),
                ]
                for stop in case.stops
            ],
        }
        for case in cases
    ]
    return {
        "rails": RAILS,
        "axis": AXIS_MS,
        "cases": shown,
        "texts": list(texts),
    }


# -- from a trace to stops ------------------------------------------------------


@dataclass
class Asked:
    """One request: what the client and the server noted of it."""

    number: int
    client: list[Event]
    server: list[tuple[str, Event]]
    held: list[Event]

    def of_client(self, name: str) -> Event | None:
        return next((e for e in self.client if e["name"] == name), None)

    def of_server(self, *names: str) -> Iterator[tuple[str, Event]]:
        return ((lane, e) for lane, e in self.server if e["name"] in names)


def case_of(label: str, trace: Trace) -> Case:
    lanes = lanes_of(trace)
    server = {
        lane: events
        for lane, events in lanes.items()
        if not lane.startswith(("client", "queue"))
    }
    stops: list[Stop] = []
    bars: list[Bar] = []
    for asked in requests_of(lanes, server):
        if end_us(asked.client[-1]) > AXIS_MS * 1000:
            break
        stops += _stops(asked, server)
        bars += _bars(asked)
    stops.sort(key=lambda stop: stop.ms)
    for lane in server.values():
        for event in lane:
            if event["cat"] == "work" and end_us(event) < AXIS_MS * 1000:
                start, end = event["ts"] / 1000, end_us(event) / 1000
                bars.append(Bar(THREADS, _ms(start), _ms(end), "works"))
    stops = list(_with_middles(stops))
    _settle(stops, server, lanes["client 1"])
    return Case(label, stops, merged(bars))


def requests_of(
    lanes: dict[str, list[Event]], server: dict[str, list[Event]]
) -> Iterator[Asked]:
    """The requests of client 1, each with what belongs to it."""
    client = lanes["client 1"]
    starts = [e["ts"] for e in client if e["name"] == "send request"]
    for number, start in enumerate(starts, start=1):
        end = starts[number] if number < len(starts) else float("inf")
        own = [e for e in client if e["args"].get("request") == number]
        yield Asked(
            number,
            own,
            sorted(
                (
                    (lane, event)
                    for lane, events in server.items()
                    for event in events
                    if event["args"].get("client") == "client 1"
                    and start <= event["ts"] < end
                ),
                key=lambda item: float(item[1]["ts"]),
            ),
            [e for e in lanes.get("queue to client 1", []) if start <= e["ts"] < end],
        )


def _stops(asked: Asked, server: dict[str, list[Event]]) -> Iterator[Stop]:
    n = asked.number
    sent = asked.of_client("send request")
    head_came, body_came = (asked.of_client(f"wait for {p}") for p in ("head", "body"))
    assert sent is not None
    assert head_came is not None
    received = [
        (lane, e) for lane, e in asked.of_server("receive") if e["args"]["bytes"]
    ]
    size = received[0][1]["args"]["bytes"]
    request = f"request, {size} bytes"
    held = asked.held[0] if asked.held else None
    yield Stop(
        _ms(sent["ts"] / 1000),
        f"The client sends request {n}. Its {size} bytes lie in the server’s kernel.",
        {"*": None, request: SERVER},
    )
    lane, event = received[0]
    yield Stop(
        _ms(end_us(event) / 1000),
        f"{lane} has read the request, and asks the application.",
        {request: THREADS},
    )
    sends = list(asked.of_server("send head", "send body", "send both"))
    for lane, event in sends:
        part = event["name"].removeprefix("send ")
        block = (
            f"{'response' if part == 'both' else part}, {event['args']['bytes']} bytes"
        )
        stays = part == "body" and bool(event["args"].get("unsent"))
        said = f"{lane} gives the kernel the {block}. "
        if stays:
            said += (
                "The kernel keeps them: "
                f"{event['args']['unacknowledged']} bytes are not acknowledged yet."
            )
        else:
            said += "The kernel sends them at once."
        moves: dict[str, int | None] = {block: SERVER if stays else NETWORK}
        if part != "body":
            moves[request] = None
        yield Stop(_ms(event["ts"] / 1000), said, moves)
        came = body_came if part == "body" else head_came
        if came is not None:
            name = "whole response" if part == "both" else part
            yield Stop(
                _ms(end_us(came) / 1000), f"The client has the {name}.", {block: CLIENT}
            )
    if held is not None:
        block = f"body, {held['args']['unsent']} bytes"
        yield Stop(
            _ms(end_us(held) / 1000),
            "The acknowledgement has come, and the server’s kernel lets the body go.",
            {block: NETWORK, ACK: SERVER},
            inferred=True,
        )


def _bars(asked: Asked) -> Iterator[Bar]:
    for name, kind in (("wait for head", "head"), ("wait for body", "body")):
        if event := asked.of_client(name):
            start, end = event["ts"] / 1000, end_us(event) / 1000
            yield Bar(CLIENT, _ms(start), _ms(end), kind)
    for event in asked.held:
        start, end = event["ts"] / 1000, end_us(event) / 1000
        yield Bar(SERVER, _ms(start), _ms(end), "held")


def merged(bars: Sequence[Bar]) -> list[Bar]:
    """What follows at once is one bar: a thread's calls are not to be told apart."""
    found: list[Bar] = []
    for bar in sorted(bars):
        last = found[-1] if found else None
        near = last and (last.rail, last.kind) == (bar.rail, bar.kind)
        if last and near and bar.start - last.end < 0.3:
            found[-1] = last._replace(end=max(last.end, bar.end))
        else:
            found.append(bar)
    return found


def _with_middles(stops: Sequence[Stop]) -> Iterator[Stop]:
    for n, stop in enumerate(stops):
        yield stop
        after = stops[n + 1].ms if n + 1 < len(stops) else stop.ms
        if after - stop.ms > LONG_MS:
            yield Stop(_ms((stop.ms + after) / 2), "Nothing happens.")


def _settle(
    stops: Sequence[Stop], server: dict[str, list[Event]], client: Sequence[Event]
) -> None:
    """Say of every stop where all blocks are, and what every rail does."""
    at: dict[str, int] = {}
    for n, stop in enumerate(stops):
        for block, rail in stop.moves.items():
            if block == "*":
                at.clear()
            elif rail is None:
                at.pop(block, None)
            else:
                at[block] = rail
        stop.at = dict(at)
        after = stops[n + 1].ms if n + 1 < len(stops) else stop.ms
        moment = min((stop.ms + after) / 2, stop.ms + 0.02)
        stop.rails = [asleep(server, moment), "", "", doing(client, moment)]


def asleep(server: dict[str, list[Event]], ms: float) -> str:
    """Which of the server's threads work at a moment; the others sleep."""
    us = ms * 1000
    working = [
        lane
        for lane, events in server.items()
        if not any(e["cat"] == "wait" and e["ts"] <= us <= end_us(e) for e in events)
    ]
    if not working:
        return f"asleep: all {NUMBERS[len(server)]} threads"
    return f"at work: {', '.join(working)}"


def doing(client: Sequence[Event], ms: float) -> str:
    us = ms * 1000
    for event in client:
        if event["ts"] <= us <= end_us(event):
            if event["name"].startswith("wait for"):
                return f"waits for the {event['name'].removeprefix('wait for ')}"
            return f"{event['name']}{'s' * (event['name'] == 'pause')}"
    return ""


def _ms(ms: float) -> float:
    return round(ms, 2)


# -- words, and the still form --------------------------------------------------


def in_words(cases: Sequence[Case]) -> Iterator[str]:
    for case in cases:
        yield f"{case.label}: " + " ".join(
            f"{s.ms:.2f} ms: {s.said}" for s in case.stops
        )


def still(case: Case, width: int) -> str:
    """Three moments of the recording, below one another."""
    frames = decisive(case)
    row, head = 46, 42 if is_narrow(width) else 26
    height = len(frames) * (len(RAILS) * row + head + 14)
    parts = []
    for n, stop in enumerate(frames):
        top = n * (len(RAILS) * row + head + 14)
        parts.append(f'<g transform="translate(0,{top})">')
        lines = textwrap.wrap(
            f"{stop.ms:.2f} ms: {stop.said}", 50 if is_narrow(width) else 110
        )
        for line_number, line in enumerate(lines[:2]):
            parts.append(_text(4, 14 + 16 * line_number, line, weight=600))
        for rail, name in enumerate(RAILS):
            y = head + rail * row
            parts.append(_text(4, y + 12, f"{name}: {stop.rails[rail]}", soft=True))
            parts.append(
                f'<path d="M4 {y + 28}H{width - 4}" stroke="var(--chart-grid)" '
                'fill="none"/>'
            )
            x = 4.0 + (width - 8) * stop.ms / AXIS_MS
            for block, where in stop.at.items():
                if where == rail:
                    wide = 7.0 * len(block) + 10
                    left = x if x + wide < width - 4 else x - wide
                    parts.append(
                        f'<rect x="{left:.1f}" y="{y + 18}" width="{wide:g}" '
                        'height="20" rx="3" fill="var(--chart-paper)" '
                        'stroke="var(--chart-3)" stroke-width="2"/>'
                    )
                    parts.append(_text(left + 5, y + 32, block))
        parts.append("</g>")
    label = html.escape(f"Three moments of a recording: {case.label}.")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def decisive(case: Case) -> list[Stop]:
    middle = next(
        (n for n, s in enumerate(case.stops) if s.said == "Nothing happens."), 4
    )
    return [case.stops[n] for n in (middle - 1, middle, middle + 1)]


def _text(
    x: float, y: float, words: str, *, soft: bool = False, weight: int = 400
) -> str:
    colour = "soft" if soft else "ink"
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:.1f}" y="{y:g}" fill="var(--chart-{colour})"{bold}>'
        f"{html.escape(words)}</text>"
    )
