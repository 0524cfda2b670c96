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
from dataclasses import dataclass, field, replace
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
#: What lies closer together than this is one bar.
NEAR_MS = 0.3
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
ACK = "acknowledgement"
#: For a moment that no event tells.
SEEN = "Inferred: the server’s kernel was seen to hold the body until now."


class Switch(NamedTuple):
    """A recording that can be chosen."""

    step: str
    scenario: str = ""


SWITCHES = {
    "two writes": Switch("step06"),
    "one write": Switch("step06", "one-write"),
    "TCP_NODELAY alone": Switch("step06", "nodelay"),
    "a client that pauses": Switch("step06", "pause"),
    "close after response": Switch("step06", "closing"),
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

    moves: the blocks that come to a rail, or (None) are gone; "*" is all of them.
    at: the rail of each block that there is.
    rails: each rail, in a few words.
    """

    ms: float
    said: str
    moves: dict[str, int | None] = field(default_factory=dict)
    request: int = 0
    at: dict[str, int] = field(default_factory=dict)
    rails: list[str] = field(default_factory=list)

    def holds(self) -> bool:
        """Whether the server's kernel has the body, and keeps it."""
        return any(
            block.startswith("body") and rail == SERVER
            for block, rail in self.at.items()
        )


@dataclass
class Case:
    """One recording, as the figure shows it."""

    label: str
    stops: list[Stop]
    bars: list[Bar]

    def decisive(self) -> int:
        """The stop that shows what is special here: a long wait, or that none is."""
        for n, stop in enumerate(self.stops):
            if stop.said.startswith("Nothing happens") and stop.holds():
                return n
        return max(n for n, stop in enumerate(self.stops) if stop.request <= 2)


def ladder(materials: Materials, *names: str) -> Work:
    """names: of SWITCHES; the first is shown first, and drawn."""
    cases = []
    for name in names or tuple(SWITCHES):
        if name not in SWITCHES:
            raise BookError(f"no switch {name!r}: {', '.join(SWITCHES)}")
        cases.append(case_of(name, materials.trace(*SWITCHES[name])))
    return Work(
        name=slug("ladder", *(name.split()[0] for name in names)),
        caption="Where the bytes of a response are, moment by moment.",
        words=list(in_words(cases)),
        still=still(cases, NARROW_PX),
        wide=still(cases, WIDE_PX),
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
            "bars": [list(bar) for bar in case.bars],
            "stops": [
                [
                    stop.ms,
                    text(stop.said),
                    [text(words) for words in stop.rails],
                    [[text(block), rail] for block, rail in stop.at.items()],
                ]
                for stop in case.stops
            ],
        }
        for case in cases
    ]
    return {
        "rails": RAILS,
        "axis": AXIS_MS,
        "start": frames_of(cases)[1][1].ms,
        "cases": shown,
        "texts": list(texts),
    }


# -- from a trace to stops ----------------------------------------------------


@dataclass
class Asked:
    """One request of client 1: what the client and the server noted of it."""

    number: int
    client: list[Event]
    server: list[tuple[str, Event]]
    held: Event | None

    def of_client(self, name: str) -> Event | None:
        return next((e for e in self.client if e["name"] == name), None)

    def of_server(self, *names: str) -> list[tuple[str, Event]]:
        return [(lane, e) for lane, e in self.server if e["name"] in names]

    def closed(self) -> tuple[str, Event] | None:
        """The close that sent what was held back, if one did."""
        for lane, event in self.of_server("close"):
            if self.held and event["ts"] < end_us(self.held):
                return lane, event
        return None


def case_of(label: str, trace: Trace) -> Case:
    lanes = lanes_of(trace)
    server = {
        lane: events
        for lane, events in lanes.items()
        if not lane.startswith(("client", "queue"))
    }
    stops: list[Stop] = []
    bars: list[Bar] = []
    answered = 0
    for asked in requests_of(lanes, server):
        if end_us(asked.client[-1]) > AXIS_MS * 1000:
            break
        answered = asked.number
        stops += _stops(asked, server)
        bars += _bars(asked)
    stops.sort(key=lambda stop: stop.ms)
    stops.append(
        Stop(
            all_asleep_after(server, stops[-1].ms),
            f"{NUMBERS[answered].capitalize()} requests have been answered. All "
            "threads of the server sleep again.",
            {},
            answered,
        )
    )
    for lane in server.values():
        for event in lane:
            if event["cat"] == "work" and end_us(event) < AXIS_MS * 1000:
                bars.append(_bar(THREADS, event["ts"], end_us(event), "works"))
    stops = list(_with_middles(stops))
    _settle(stops, server, lanes["client 1"])
    return Case(label, stops, merged(bars))


def requests_of(
    lanes: dict[str, list[Event]], server: dict[str, list[Event]]
) -> Iterator[Asked]:
    """The requests of client 1, each with what belongs to it."""
    client = lanes["client 1"]
    starts = [e["ts"] for e in client if e["name"] == "send request"]
    of_client = sorted(
        (
            (lane, event)
            for lane, events in server.items()
            for event in events
            if event["args"].get("client") == "client 1"
        ),
        key=lambda item: float(item[1]["ts"]),
    )
    for number, (start, end) in enumerate(
        zip(starts, [*starts[1:], float("inf")], strict=True), start=1
    ):
        held = (e for e in lanes.get("queue to client 1", ()) if start <= e["ts"] < end)
        yield Asked(
            number,
            [e for e in client if e["args"].get("request") == number],
            [(lane, e) for lane, e in of_client if start <= e["ts"] < end],
            next(held, None),
        )


def _stops(asked: Asked, server: dict[str, list[Event]]) -> Iterator[Stop]:
    n = asked.number

    def stop(us: float, said: str, **moves: int | None) -> Stop:
        named = {block.replace("_", " "): rail for block, rail in moves.items()}
        return Stop(_ms(us), said, named, n)

    sent = asked.of_client("send request")
    lane, read = next(
        (lane, e) for lane, e in asked.of_server("receive") if e["args"]["bytes"]
    )
    assert sent is not None
    size = read["args"]["bytes"]
    request = f"request, {size} bytes"
    yield stop(
        sent["ts"],
        f"The client sends request {n}. Its {size} bytes lie in the server’s kernel "
        "until a thread reads them.",
        **{"*": None, request: SERVER},
    )
    yield stop(
        end_us(read), f"{lane.capitalize()} has read request {n}.", **{request: THREADS}
    )
    blocks: dict[str, str] = {}
    for lane, event in asked.of_server("send head", "send body", "send both"):
        part = event["name"].removeprefix("send ")
        name = "response" if part == "both" else part
        block = f"{name}, {event['args']['bytes']} bytes"
        held = part == "body" and bool(event["args"].get("unsent"))
        said = f"{lane.capitalize()} gives the kernel the {block}. " + _why(
            event, part, held
        )
        gone = {} if part == "body" else {request: None}
        yield stop(event["ts"], said, **{block: SERVER if held else NETWORK}, **gone)
        blocks[name] = block
    head_came, body_came = (asked.of_client(f"wait for {p}") for p in ("head", "body"))
    assert head_came is not None
    first, *rest = blocks.items()
    moves: dict[str, int | None] = {first[1]: CLIENT}
    said = f"The client has the {first[0]}."
    if rest and body_came is None:
        # It found both when it looked for the head.
        said = "The client has head and body, in one piece."
        moves |= {block: CLIENT for _, block in rest}
    elif asked.held is not None and asked.closed() is None:
        moves[ACK] = NETWORK
        said += " Its kernel does not acknowledge it yet (inferred)."
    yield stop(end_us(head_came), said, **moves)
    if body_came is not None:
        yield stop(
            end_us(body_came),
            "The client has the body.",
            **dict.fromkeys((block for _, block in rest), CLIENT),
        )
    if asked.held is not None:
        yield from _held_stops(asked, asked.held, server)


def _why(event: Event, part: str, held: bool) -> str:
    """What the kernel does with bytes that it is given, as it says itself."""
    waits = event["args"].get("unacknowledged", 0)
    if held:
        return f"It keeps them: {waits} bytes, the head, are not acknowledged yet."
    if part != "body":
        return "It sends them at once."
    # What was sent just now is among them.
    waits = max(0, waits - event["args"]["bytes"])
    if waits:
        return f"It sends them at once, although {waits} bytes are not acknowledged."
    return "It sends them at once: all before them is acknowledged."


def _held_stops(
    asked: Asked, held: Event, server: dict[str, list[Event]]
) -> Iterator[Stop]:
    """What ends the wait for an acknowledgement, and when nobody is at work in it."""
    block = f"body, {held['args']['unsent']} bytes"
    if closed := asked.closed():
        lane, event = closed
        yield Stop(
            _ms(event["ts"]),
            f"{lane.capitalize()} closes the connection. Before the end, nothing is "
            "held back: the body goes with it.",
            {block: NETWORK, ACK: None},
            asked.number,
        )
        return
    middle = held["ts"] + held["dur"] / 2
    last = max(
        float(e["ts"])
        for events in server.values()
        for e in events
        if e["ts"] <= middle <= end_us(e)
    )
    yield Stop(
        _ms(last),
        f"All {NUMBERS[len(server)]} threads of the server sleep. No program has the "
        "body any more, and none has it yet.",
        {},
        asked.number,
    )
    yield Stop(
        _ms(end_us(held)),
        f"The acknowledgement has come. The server’s kernel lets the body go. ({SEEN})",
        {block: NETWORK, ACK: SERVER},
        asked.number,
    )


def _bars(asked: Asked) -> Iterator[Bar]:
    for name, kind in (("wait for head", "head"), ("wait for body", "body")):
        if event := asked.of_client(name):
            yield _bar(CLIENT, event["ts"], end_us(event), kind)
    if asked.held is not None and asked.closed() is None:
        yield _bar(SERVER, asked.held["ts"], end_us(asked.held), "held")
        if head := asked.of_client("wait for head"):
            yield _bar(NETWORK, end_us(head), end_us(asked.held), "kept")


def merged(bars: Sequence[Bar]) -> list[Bar]:
    """What follows at once is one bar: a thread's calls are not to be told apart."""
    found: list[Bar] = []
    for bar in sorted(bars):
        last = found[-1] if found else None
        if (
            last
            and (last.rail, last.kind) == (bar.rail, bar.kind)
            and bar.start - last.end < NEAR_MS
        ):
            found[-1] = last._replace(end=max(last.end, bar.end))
        else:
            found.append(bar)
    return found


def _with_middles(stops: Sequence[Stop]) -> Iterator[Stop]:
    for stop, after in zip(stops, [*stops[1:], stops[-1]], strict=True):
        yield stop
        if after.ms - stop.ms > LONG_MS:
            middle = round((stop.ms + after.ms) / 2, 2)
            yield Stop(middle, "Nothing happens.", {}, stop.request)


def _settle(
    stops: Sequence[Stop], server: dict[str, list[Event]], client: Sequence[Event]
) -> None:
    """Say of every stop where all blocks are, and what every rail does."""
    at: dict[str, int] = {}
    for stop in stops:
        for block, rail in stop.moves.items():
            if block == "*":
                at.clear()
            elif rail is None:
                at.pop(block, None)
            else:
                at[block] = rail
        stop.at = dict(at)
        kept = at.get(ACK) == NETWORK
        client_does = doing(at, client, stop.ms)
        if stop.said == "Nothing happens." and stop.holds():
            stop.said += (
                " The server’s kernel waits for the acknowledgement. The client’s "
                "kernel waits for something to send it with (inferred)."
            )
        elif stop.said == "Nothing happens.":
            stop.said += f" The client {client_does}."
        stop.rails = [
            asleep(server, stop.ms + 0.01),
            "keeps the body" if stop.holds() else _has(at, SERVER),
            "keeps the acknowledgement (inferred)" if kept else _has(at, NETWORK),
            client_does,
        ]


def all_asleep_after(server: dict[str, list[Event]], ms: float) -> float:
    """When, after that, every thread sleeps for the first time."""
    begins = sorted(
        float(e["ts"]) / 1000
        for events in server.values()
        for e in events
        if e["cat"] == "wait" and end_us(e) > ms * 1000
    )
    return next(
        round(max(begin, ms) + 0.005, 2)
        for begin in begins
        if asleep(server, max(begin, ms) + 0.01).startswith("asleep")
    )


def _has(at: dict[str, int], rail: int) -> str:
    names = [block.partition(",")[0] for block, where in at.items() if where == rail]
    return f"has the {' and the '.join(names)}" if names else "has nothing"


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


def doing(at: dict[str, int], client: Sequence[Event], ms: float) -> str:
    us = ms * 1000
    if any(e["name"] == "pause" and e["ts"] <= us <= end_us(e) for e in client):
        return "pauses"
    had = {block.partition(",")[0] for block, rail in at.items() if rail == CLIENT}
    if "response" in had or {"head", "body"} <= had:
        return "has the whole answer"
    return "waits for the body" if "head" in had else "waits for the answer"


def _ms(us: float) -> float:
    return round(us / 1000, 2)


def _bar(rail: int, start_us: float, end_us: float, kind: str) -> Bar:
    return Bar(rail, _ms(start_us), _ms(end_us), kind)


# -- words, and the still form ------------------------------------------------


def in_words(cases: Sequence[Case]) -> Iterator[str]:
    """Of each recording and request, what happened; in full where a body is kept."""
    for case in cases:
        told = False
        for number in sorted({stop.request for stop in case.stops}):
            stops = [stop for stop in case.stops if stop.request == number]
            had = max(s.ms for s in stops if CLIENT in s.moves.values())
            took = had - stops[0].ms
            text = f"{case.label}, request {number}: answered in {took:.1f} ms."
            if any(stop.holds() for stop in stops) and not told:
                told = True
                text += "".join(f" At {s.ms:.2f} ms: {s.said}" for s in stops)
            yield text


def frames_of(cases: Sequence[Case]) -> list[tuple[Case, Stop]]:
    """Three moments: of a body that is kept, or of the cure beside it."""
    first, n = cases[0], cases[0].decisive()
    if first.stops[n].holds():
        return [(first, first.stops[m]) for m in (n - 2, n, n + 2)]
    ill = next((c for c in cases if c.stops[c.decisive()].holds()), first)
    then = ill.stops[ill.decisive()]
    return [
        (first, first.stops[n - 1]),
        (first, replace(first.stops[-1], ms=then.ms)),
        (ill, then),
    ]


ROW_PX, LINE_PX = 46, 16


def still(cases: Sequence[Case], width: int) -> str:
    """Three moments, below one another, in named colours."""
    parts: list[str] = []
    top = 0
    for case, stop in frames_of(cases):
        said = textwrap.wrap(stop.said, 52 if is_narrow(width) else 106)
        parts += [f'<g transform="translate(0,{top})">']
        parts += [_text(4, 14, f"{case.label}, {stop.ms:.2f} ms", weight=700)]
        for n, line in enumerate(said, start=1):
            parts.append(_text(4, 14 + LINE_PX * n, line))
        head = LINE_PX * (len(said) + 1) + 12
        parts += [*_frame(case, stop, width, head), "</g>"]
        top += head + ROW_PX * len(RAILS) + 32
    names = ", ".join(dict.fromkeys(case.label for case, _ in frames_of(cases)))
    label = html.escape(
        f"Where the bytes of a response are, at three moments: {names}."
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" '
        f'viewBox="0 0 {width} {top}" role="img" aria-label="{label}" '
        f'font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


#: How a bar is drawn: its colour, its height, and whether it is inferred.
BARS = {
    "works": ("7", 8, False),
    "held": ("5", 8, False),
    "kept": ("5", 8, True),
    "head": ("4", 3, False),
    "body": ("3", 6, False),
}


def _frame(case: Case, stop: Stop, width: int, head: int) -> Iterator[str]:
    scale = (width - 8) / AXIS_MS
    now = 4 + scale * stop.ms
    for rail, name in enumerate(RAILS):
        y = head + rail * ROW_PX
        yield _text(4, y + 11, f"{name}: {stop.rails[rail]}", soft=True)
        yield _path(f"M4 {y + 42}H{width - 4}", "grid")
        yield _path(f"M{now:.1f} {y + 16}V{y + 42}", "ink")
        for bar in case.bars:
            if bar.rail != rail or bar.start > stop.ms:
                continue
            colour, px, inferred = BARS[bar.kind]
            end = min(bar.end, stop.ms)
            fill = "none" if inferred else f"var(--chart-{colour})"
            dash = ' stroke-dasharray="3 2"' if inferred else ""
            yield (
                f'<rect x="{4 + scale * bar.start:.1f}" y="{y + 42 - px}" '
                f'width="{max(1.0, scale * (end - bar.start)):.1f}" height="{px}" '
                f'fill="{fill}" stroke="var(--chart-{colour})"{dash}/>'
            )
    bottom = head + ROW_PX * len(RAILS)
    for tick in range(0, AXIS_MS + 1, 10 if width > NARROW_PX else 30):
        anchor = "end" if tick == AXIS_MS else "middle" if tick else "start"
        words = f"{tick} ms" if tick in (0, AXIS_MS) else str(tick)
        yield _text(4 + scale * tick, bottom + 12, words, soft=True, anchor=anchor)
    for rail in range(len(RAILS)):
        blocks = [block for block, where in stop.at.items() if where == rail]
        widths = [7.0 * len(block) + 12 for block in blocks]
        left = min(now, width - 4 - sum(widths) - 3 * len(widths))
        for block, wide in zip(blocks, widths, strict=True):
            colour, dash = BLOCKS[block.partition(",")[0]]
            y = head + rail * ROW_PX + 16
            yield (
                f'<rect x="{left + 1:.1f}" y="{y}" width="{wide:.1f}" height="17" '
                f'rx="3" fill="var(--chart-paper)" stroke="var(--chart-{colour})" '
                f'stroke-width="2"{dash}/>'
            )
            yield _text(left + 6, y + 13, block)
            left += wide + 3


#: How a block is outlined; dashed where it is inferred.
BLOCKS = {
    "request": ("1", ""),
    "head": ("4", ""),
    "body": ("3", ""),
    "response": ("3", ""),
    ACK: ("5", ' stroke-dasharray="4 3"'),
}


def _path(d: str, colour: str) -> str:
    return f'<path d="{d}" stroke="var(--chart-{colour})" fill="none"/>'


def _text(
    x: float,
    y: float,
    words: str,
    *,
    soft: bool = False,
    weight: int = 400,
    anchor: str = "start",
) -> str:
    colour = "soft" if soft else "ink"
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    middle = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return (
        f'<text x="{x:.1f}" y="{y:g}" fill="var(--chart-{colour})"{bold}{middle}>'
        f"{html.escape(words)}</text>"
    )
