"""Who is watching me? Clients, the set that select() was given, and the workers.

From traces: whom each call of select() watched and what it returned, who took whom, and
when a client asked. The set is a box. While select() sleeps the box is shut: whoever
stands outside has to wait until it opens, whatever they have sent.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from book.drawing import NARROW_PX, WIDE_PX, is_narrow
from book.figures.common import slug
from book.works.common import Materials, Work
from lab.trace.explain import Event, Trace, end_us, lanes_of

OPEN, SHUT, SPINS, KEPT = "open", "shut", "spins", "kept"
#: What the box is called, and in which state it is.
BOX = {
    OPEN: "The set, open: it will be made anew",
    SHUT: "The set, shut: select() sleeps with it",
    SPINS: "The set: it opens as soon as it is shut",
    KEPT: "The kernel’s set: it stays from call to call",
}
#: Where a client can be: in the set, with a worker, in neither, not accepted yet, gone.
WATCHED, SERVED, OUTSIDE = "watched", "served", "outside"
NEW, AWAY = "new", "away"
SLEEPS = "sleeps"
#: From this step on the kernel remembers the set.
REGISTERS = "step08"
#: Of each client, so many answers are shown.
ANSWERS = 2
#: A wait that is worth a sentence, in ms.
LONG_MS = 5.0


class Happened(NamedTuple):
    """Something in a trace, in the words of this figure."""

    us: float
    what: str
    who: str = ""
    lane: str = ""
    names: tuple[str, ...] = ()
    number: int = 0
    ready: tuple[str, ...] = ()


@dataclass
class Stop:
    """A moment, and how things stand after it."""

    ms: float
    said: str
    box: str
    inside: list[str]
    clients: dict[str, str]
    asked: list[str]
    workers: dict[str, str]

    def lost(self) -> list[str]:
        """Who has asked, and is outside the shut box."""
        shut = self.box == SHUT
        return [c for c in self.asked if shut and self.clients[c] == OUTSIDE]

    def watched(self) -> list[str]:
        return [client for client, place in self.clients.items() if place == WATCHED]


@dataclass
class Case:
    label: str
    stops: list[Stop]

    def decisive(self) -> int:
        """The stop that shows what is special about this step."""
        after = [*[stop.ms for stop in self.stops[1:]], self.stops[-1].ms]

        def longest(found: Sequence[int]) -> int:
            return max(found, key=lambda n: after[n] - self.stops[n].ms)

        lost = [n for n, stop in enumerate(self.stops) if stop.lost()]
        if lost and after[longest(lost)] - self.stops[longest(lost)].ms > LONG_MS:
            waits = longest(lost)
            newcomer = "comes" in self.stops[waits + 1].said
            # Then it is the newcomer who opens the box.
            opened = (
                n for n, s in enumerate(self.stops) if n > waits and s.box == OPEN
            )
            return next(opened) if newcomer else waits
        for words in ("times in a row", "stays in"):
            if found := [n for n, s in enumerate(self.stops) if words in s.said]:
                return max(found, key=lambda n: (len(self.stops[n].watched()), -n))
        return max(
            n
            for n, stop in enumerate(self.stops)
            if n == 0 or (stop.asked and "pipe opens" in stop.said)
        )


def watch(materials: Materials, traces: Mapping[str, str]) -> Work:
    """traces: what a recording is called -> the name of its file."""
    cases = []
    for label, stem in traces.items():
        step, _, name = stem.partition("-")
        cases.append(case_of(label, materials.trace(step, name)))
    return Work(
        name=slug("watch", *traces.values()),
        caption="Whom select() watches, event by event.",
        words=list(in_words(cases)),
        still=still(cases, NARROW_PX),
        wide=still(cases, WIDE_PX),
        data=data_of(cases),
    )


def data_of(cases: Sequence[Case]) -> dict[str, Any]:
    """What docs/assets/work/watch.js needs. Sentences stand once, in `texts`."""
    texts: dict[str, int] = {}

    def text(words: str) -> int:
        return texts.setdefault(words, len(texts))

    return {
        "cases": [
            {
                "label": case.label,
                "start": case.decisive(),
                "stops": [
                    [
                        stop.ms,
                        text(stop.said),
                        stop.box,
                        [text(name) for name in stop.inside],
                        [
                            [text(client), place, int(client in stop.asked)]
                            for client, place in stop.clients.items()
                            if place != AWAY
                        ],
                        [
                            [text(worker), text(does)]
                            for worker, does in stop.workers.items()
                        ],
                    ]
                    for stop in case.stops
                ],
            }
            for case in cases
        ],
        "box": BOX,
        "says": {"asked": ASKED, "new": NEWCOMER},
        "texts": list(texts),
    }


# -- from a trace to stops ----------------------------------------------------


def happened(lanes: dict[str, list[Event]]) -> Iterator[Happened]:
    """What is shown of a trace, lane by lane."""
    for lane, events in lanes.items():
        if lane.startswith("client"):
            yield from _of_client(lane, events)
        elif lane != "operator" and not lane.startswith("queue"):
            yield from _of_server(lane, events)


def _of_client(client: str, events: Sequence[Event]) -> Iterator[Happened]:
    answered: dict[int, float] = {}
    for event in events:
        number = event["args"].get("request", 0)
        match event["name"]:
            case "connect":
                yield Happened(end_us(event), "comes", client)
            case "send request":
                yield Happened(event["ts"], "asks", client, number=number)
            case "send half":
                yield Happened(event["ts"], "asks half", client)
            case "wait for head" | "wait for body":
                answered[number] = end_us(event)
            case "close":
                yield Happened(event["ts"], "leaves", client)
    for number, us in answered.items():
        yield Happened(us, "has answer", client, number=number)


def _of_server(lane: str, events: Sequence[Event]) -> Iterator[Happened]:
    serving = ""
    for event in events:
        us, args = event["ts"], event["args"]
        name, who = event["name"], args.get("client", "")
        if serving and (
            name in ("wake", "wait for a job", "select") or name == "close"
        ):
            yield Happened(us, "is done", serving, lane)
            serving = ""
        match name:
            case "select" if lane != "acceptor":
                watched = tuple(args["watched"])
                yield Happened(us, "select", "", lane, watched)
                if "ready" in args:
                    ready = tuple(args["ready"])
                    yield Happened(end_us(event), "returns", "", lane, ready)
            case "spin":
                watched, ready = tuple(args["watched"]), tuple(args["ready"])
                yield Happened(us, "spins", "", lane, watched, args["calls"], ready)
            case "accept" if who:
                yield Happened(end_us(event), "accepts", who, lane)
            case "hand over":
                yield Happened(us, "hands over", who, lane)
            case "receive" if who and not serving:
                serving = who
                yield Happened(us, "serves", who, lane, number=args["bytes"])
            case "wake":
                yield Happened(us, "wakes", "", lane)
            case "wait for a job":
                yield Happened(us, "sleeps", "", lane)


def case_of(label: str, trace: Trace) -> Case:
    lanes = lanes_of(trace)
    story = sorted(happened(lanes), key=lambda each: each.us)
    workers = [lane for lane in lanes if lane.startswith("worker")]
    clients = [lane for lane in lanes if lane.startswith("client")]
    scene = Scene(
        keeps=trace["otherData"]["step"] >= REGISTERS,
        clients=dict.fromkeys(clients, AWAY),
        workers=dict.fromkeys(workers or ["loop"], SLEEPS),
    )
    last = _end_of(story)
    stops = []
    for each in story:
        if each.us > last:
            break
        said = scene.after(each)
        if said:
            stops.append(scene.stop(round(max(0.0, each.us) / 1000, 2), said))
    return Case(label, stops)


def _end_of(story: Sequence[Happened]) -> float:
    had = [e for e in story if e.what == "has answer" and e.number <= ANSWERS]
    return max((e.us for e in had), default=float("inf"))


@dataclass
class Scene:
    """How things stand; what happens changes it."""

    keeps: bool
    clients: dict[str, str]
    workers: dict[str, str]
    box: str = OPEN
    inside: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    served: set[str] = field(default_factory=set)
    shut_since: float = 0.0

    def stop(self, ms: float, said: str) -> Stop:
        queued = [
            client
            for client in sorted(self.served)
            if client in self.asked and f"serves {client}" not in self.workers.values()
        ]
        return Stop(
            ms,
            said,
            self.box,
            [name for name in self.inside if name not in self.clients],
            dict(self.clients),
            list(self.asked),
            self.workers | dict.fromkeys(queued, "is in the queue"),
        )

    def _place(self) -> None:
        """Where everybody is who is there."""
        for client, place in self.clients.items():
            if place in (AWAY, NEW):
                continue
            if client in self.inside and self.box != OPEN:
                self.clients[client] = WATCHED
            elif client in self.served:
                self.clients[client] = SERVED
            else:
                self.clients[client] = OUTSIDE

    def after(self, each: Happened) -> str:
        """Change what it changes. A sentence about it, or "" if it shows nothing."""
        said = self._after(each)
        self._place()
        if each.what == "asks" and self.clients[each.who] == OUTSIDE:
            if self.box == SHUT:
                said += " It stands outside the shut box, and nobody hears it."
            else:
                said += " It will be in the next set."
        return said

    def _after(self, each: Happened) -> str:
        who = each.who.capitalize()
        match each.what:
            case "comes":
                self.clients[each.who] = NEW
                if "listener" in self.inside:
                    return f"{who} comes. The listener, in the set, has to tell."
                return f"{who} comes. The acceptor has a select() of its own for that."
            case "accepts":
                self.clients[each.who] = OUTSIDE
                if self.keeps:
                    self.inside.append(each.who)
                    return f"The {each.lane} takes {each.who} in, and registers it."
                return f"The {each.lane} has taken {each.who} in."
            case "asks":
                self.asked.append(each.who)
                return f"{who} sends request {each.number}."
            case "asks half":
                self.asked.append(each.who)
                return f"{who} sends half a request."
            case "select":
                return self._select(each)
            case "returns":
                return self._returns(each)
            case "spins":
                self.box, self.inside = SPINS, list(each.names)
                return (
                    f"The {each.lane} calls select() {each.number:,} times in a row. "
                    f"Each call returns at once, with {_listed(each.ready)}: what is "
                    "there to be read is the workers’ already, and not read yet."
                )
            case "hands over":
                self.served.add(each.who)
                return f"The {each.lane} hands {each.who} over to the workers."
            case "serves":
                return self._serves(each)
            case "is done":
                return self._done(each)
            case "wakes":
                return f"{_named(each.lane)} writes a byte: the pipe opens the box."
            case "sleeps":
                self.workers[each.lane] = SLEEPS
            case "has answer":
                return f"{who} has its answer to request {each.number}."
            case "leaves":
                self.clients[each.who] = AWAY
                if each.who in self.asked:
                    self.asked.remove(each.who)
                return f"{who} leaves."
        return ""

    def _select(self, each: Happened) -> str:
        self.inside = list(each.names)
        self.shut_since = each.us
        names = _listed(each.names)
        if self.keeps:
            self.box = KEPT
            self.workers[each.lane] = SLEEPS
            return f"epoll is called, and told nothing. The kernel’s set has {names}."
        self.box = SHUT
        text = f"select() is given {names}. The box is shut."
        left = [c for c, place in self.clients.items() if place not in (AWAY, NEW)]
        left = [c for c in left if c not in each.names and c not in self.served]
        if left:
            text += f" Nobody watches {_listed(left)}."
        return text

    def _returns(self, each: Happened) -> str:
        slept = (each.us - self.shut_since) / 1000
        after = f" after {slept:.1f} ms" if slept > LONG_MS else ""
        if self.keeps:
            self.workers[each.lane] = "is awake"
            return f"epoll returns{after} what is ready: {_listed(each.names)}."
        self.box = OPEN
        self.inside = []
        if not each.names:
            return f"The timeout ends select(){after}. The box opens."
        return f"select() returns{after}: {_listed(each.names)}. The box opens."

    def _serves(self, each: Happened) -> str:
        self.served.add(each.who)
        if each.who in self.asked:
            self.asked.remove(each.who)
        if each.lane in self.workers:
            self.workers[each.lane] = f"serves {each.who}"
        if not each.number:
            return f"{_named(each.lane)} reads that {each.who} has gone."
        text = f"{_named(each.lane)} serves {each.who}."
        if self.keeps:
            text += f" {each.who.capitalize()} stays in the kernel’s set."
        return text

    def _done(self, each: Happened) -> str:
        self.served.discard(each.who)
        if each.lane in self.workers:
            self.workers[each.lane] = f"is done with {each.who}"
        if self.clients[each.who] == AWAY or self.keeps:
            return ""
        text = f"{_named(each.lane)} is done with {each.who}"
        if each.who in self.inside:
            return f"{text}, which was in the set all the while."
        if self.box == SHUT:
            return f"{text} and puts it back. But the box is shut."
        return f"{text} and puts it back."


def _named(lane: str) -> str:
    """A thread, at the beginning of a sentence."""
    return lane.capitalize() if lane.startswith("worker") else f"The {lane}"


def _listed(names: Sequence[str]) -> str:
    shown = ["the " + n if n in ("listener", "pipe") else n for n in names]
    if len(shown) > 1:
        return f"{', '.join(shown[:-1])} and {shown[-1]}"
    return shown[0] if shown else "nothing"


# -- words, and the still form ------------------------------------------------


def in_words(cases: Sequence[Case]) -> Iterator[str]:
    for case in cases:
        told = " ".join(f"At {stop.ms:.1f} ms: {stop.said}" for stop in case.stops)
        yield f"{case.label}. {told}"


def still(cases: Sequence[Case], width: int) -> str:
    """The decisive moment of each recording, in named colours."""
    parts: list[str] = []
    top = 0.0
    for case in cases:
        stop = case.stops[case.decisive()]
        parts.append(f'<g transform="translate(0,{top:g})">')
        parts.append(_text(4, 14, f"{case.label}, {stop.ms:.1f} ms", bold=True))
        lines = textwrap.wrap(stop.said, 52 if is_narrow(width) else 106)
        for n, line in enumerate(lines, start=1):
            parts.append(_text(4, 14 + 16 * n, line))
        drawn, bottom = _scene(stop, width, 16 * (len(lines) + 1) + 12)
        parts += [*drawn, "</g>"]
        top += bottom + 20
    label = html.escape("Whom select() watches: " + ", ".join(c.label for c in cases))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top:g}" '
        f'viewBox="0 0 {width} {top:g}" role="img" aria-label="{label}." '
        f'font-family="system-ui, sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def _scene(stop: Stop, width: int, top: float) -> tuple[list[str], float]:
    """Three rooms below one another: outside, the box, the workers."""
    parts: list[str] = []
    y = top
    places: dict[str, list[str]] = {OUTSIDE: [], WATCHED: [], SERVED: []}
    for client, place in stop.clients.items():
        if place != AWAY:
            places[OUTSIDE if place == NEW else place].append(client)
    parts.append(_text(4, y + 10, "In no set", soft=True))
    parts += _discs(places[OUTSIDE], stop, 8, y + 18)
    y += 58
    shut = stop.box != OPEN
    parts.append(_text(4, y + 10, BOX[stop.box], soft=True))
    lid = f"M8 {y + 18}V{y + 62}H{width - 8}V{y + 18}"
    parts.append(
        f'<path d="{lid}{"Z" if stop.box == SHUT else ""}" fill="none" '
        f'stroke="var(--chart-7)" stroke-width="{3 if shut else 2}"/>'
    )
    x = 18.0
    for name in stop.inside:
        wide = 7.0 * len(name) + 12
        parts.append(
            f'<rect x="{x:g}" y="{y + 30}" width="{wide:g}" height="20" rx="2" '
            'fill="none" stroke="var(--chart-1)"/>'
        )
        parts.append(_text(x + 6, y + 44, name))
        x += wide + 8
    parts += _discs(places[WATCHED], stop, x, y + 26)
    y += 80
    parts.append(_text(4, y + 10, "The threads that serve", soft=True))
    busy = [f"{name} {does}" for name, does in stop.workers.items() if does != SLEEPS]
    asleep = len(stop.workers) - len(busy)
    words = ", ".join([*busy, *([f"{asleep} asleep"] if asleep else [])])
    parts += _discs(places[SERVED], stop, 8, y + 18)
    parts.append(_text(12 + 30 * len(places[SERVED]), y + 36, words))
    return parts, y + 52


def _discs(clients: Sequence[str], stop: Stop, x: float, y: float) -> Iterator[str]:
    for client in clients:
        number = client.removeprefix("client ")
        asked = client in stop.asked
        colour = "3" if asked else "8"
        yield (
            f'<circle cx="{x + 14:g}" cy="{y + 14:g}" r="13" fill="var(--chart-paper)" '
            f'stroke="var(--chart-{colour})" stroke-width="{3 if asked else 2}"/>'
        )
        yield _text(x + 14, y + 18.5, number, bold=True, anchor="middle")
        x += 32
        says = NEWCOMER if stop.clients[client] == NEW else ASKED if asked else ""
        if says:
            yield _text(x, y + 18.5, says, bold=True)
            x += 104


#: What a client has to say that has sent something nobody has read yet.
ASKED = "“I have asked”"
NEWCOMER = "“I am new”"


def _text(
    x: float,
    y: float,
    words: str,
    *,
    soft: bool = False,
    bold: bool = False,
    anchor: str = "start",
) -> str:
    colour = "soft" if soft else "ink"
    more = ' font-weight="700"' if bold else ""
    more += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="var(--chart-{colour})"{more}>'
        f"{html.escape(words)}</text>"
    )
