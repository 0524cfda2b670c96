"""Checks chapters/06-both/exercise.py.

The starter is told: is at work then
"""

import json
from pathlib import Path
from typing import Any, TypeGuard

from workshop import Answer, check, within

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "docs" / "measurements" / "traces" / "step06.json"
#: What the clock of a recording shows, in microseconds.
RESOLUTION = 0.1


def work(lane: str, ts: float, until: float, name: str = "serve") -> dict[str, Any]:
    return span(lane, name, "work", ts, until)


def wait(lane: str, ts: float, until: float, name: str) -> dict[str, Any]:
    return span(lane, name, "wait", ts, until)


def span(lane: str, name: str, cat: str, ts: float, until: float) -> dict[str, Any]:
    server = not lane.startswith(("client", "kernel"))
    return dict(  # noqa: C408 - as one would call Span
        lane=lane, server=server, name=name, cat=cat, ts=ts, dur=until - ts
    )


def in_words(spans: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"    {s['lane']:8}  {s['cat']}  {s['ts']:>6g} to {s['ts'] + s['dur']:>6g}  "
        f"{s['name']}"
        for s in spans
    )


def made(exercise: Answer, spans: list[dict[str, Any]]) -> list[Any]:
    return [exercise.Span(**fields) for fields in spans]


def is_gap(value: object) -> TypeGuard[tuple[float, float]]:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(time, int | float) for time in value)
    )


def at_work_in(gap: object, spans: list[dict[str, Any]]) -> str:
    """Which thread works in what is no gap, in words; empty if none."""
    if not is_gap(gap):
        return ""
    for s in spans:
        begins, ends = max(gap[0], s["ts"]), min(gap[1], s["ts"] + s["dur"])
        if s["server"] and s["cat"] == "work" and begins < ends:
            works = f"{s['lane']} is at work then, from {begins:g} to {ends:g}. "
            return works + misread(gap[0], spans)
    return ""


def misread(begin: float, spans: list[dict[str, Any]]) -> str:
    """What was taken for the end of a span, in words; empty if one cannot tell."""
    if begin in [s["ts"] + s["dur"] for s in spans]:
        return ""
    if begin and begin in [s["ts"] for s in spans]:
        return f"At {begin:g} a span begins; a gap begins where one has ended. "
    if begin in [s["dur"] for s in spans]:
        return f"{begin:g} is how long a span took, not when it ended. "
    return ""


def check_gap(
    exercise: Answer,
    spans: list[dict[str, Any]],
    expected: tuple[float, float] | None,
    why: str,
    start: float = 0,
    end: float = 1000,
) -> None:
    """What longest_gap() finds in these spans."""
    lines = in_words(spans) or "    there are none"
    called = f"longest_gap(spans, {start:g}, {end:g}) where the spans are\n{lines}"
    with within(2, exercise, called=called, expected=expected, why=why):
        gap: object = exercise.longest_gap(made(exercise, spans), start, end)
    if expected and gap == tuple(time / 1000 for time in expected):
        why = "Times are microseconds, in what is returned as well. These are not."
    check(
        gap == expected,
        called=called,
        came_back=gap,
        expected=expected,
        why=at_work_in(gap, spans) + why,
    )


def check_whose(
    exercise: Answer,
    spans: list[dict[str, Any]],
    expected: str | None,
    why: str,
    start: float = 0,
    end: float = 1000,
) -> None:
    """Whose whose() says that this gap is."""
    called = f"whose(spans, {start:g}, {end:g}) where the spans are\n{in_words(spans)}"
    with within(2, exercise, called=called, expected=expected, why=why):
        came_back: object = exercise.whose(made(exercise, spans), start, end)
    check(
        came_back == expected,
        called=called,
        came_back=repr(came_back),
        expected=repr(expected),
        why=why,
    )


def test_between_spans(exercise: Answer) -> None:
    """The longest gap of one thread lies between two of its spans."""
    check_gap(
        exercise,
        [
            work("worker-1", 0, 100, "receive"),
            work("worker-1", 250, 700, "handler"),
            work("worker-1", 950, 1000, "send both"),
        ],
        (700, 950),
        "A span ends at ts + dur, and there a gap begins. It ends where the next span "
        "begins. Of those gaps, the longest is asked for.",
    )


def test_sleep_is_no_work(exercise: Answer) -> None:
    """A thread that sleeps does not work, whatever it sleeps in."""
    for name in ("select", "wait for a job", "wait to receive", "lock wait"):
        check_gap(
            exercise,
            [
                work("worker-1", 0, 100),
                wait("worker-1", 100, 800, name),
                work("worker-1", 800, 1000),
            ],
            (100, 800),
            "A span of the category “wait” is sleep. A sleeping thread fills its lane, "
            "and brings no answer nearer: that is the gap which is looked for.",
        )


def test_others_do_not_fill_it(exercise: Answer) -> None:
    """What clients and the kernel do is not the server's work."""
    check_gap(
        exercise,
        [
            work("worker-1", 0, 100),
            work("client 1", 150, 500, "send request"),
            work("kernel", 400, 900, "held back"),
            work("worker-1", 900, 1000),
        ],
        (100, 900),
        "Only threads of the server count. The kernel that holds bytes back and the "
        "client that sends are whom the server waits for: they are why there is a gap.",
    )


def test_another_thread_works(exercise: Answer) -> None:
    """Where another thread works there is no gap."""
    check_gap(
        exercise,
        [
            work("keeper", 0, 100, "hand over"),
            work("worker-1", 100, 500),
            work("worker-2", 550, 800),
            work("keeper", 900, 1000, "drain"),
        ],
        (800, 900),
        "The keeper sleeps because workers have its job. A gap is a time in which no "
        "thread works: all lanes have to be looked at together, not each by itself.",
    )


def test_any_order(exercise: Answer) -> None:
    """The spans may come in any order."""
    for spans in (
        [
            work("worker-1", 600, 900),
            work("worker-1", 0, 100),
            work("keeper", 300, 450),
        ],
        [
            work("keeper", 300, 450),
            work("worker-1", 600, 900),
            work("worker-1", 0, 100),
        ],
    ):
        check_gap(
            exercise,
            spans,
            (100, 300),
            "A recording has the spans of one thread after those of another, or in the "
            "order in which they ended. They have to be put in order first.",
        )


def test_spans_that_go_on(exercise: Answer) -> None:
    """A span goes on behind others that began after it."""
    for spans in (
        [
            work("worker-1", 0, 600, "serve"),
            work("worker-1", 50, 100, "receive"),
            work("worker-1", 700, 1000, "serve"),
        ],
        [
            work("worker-1", 0, 600),
            work("worker-2", 100, 200),
            work("worker-3", 250, 300),
            work("worker-1", 700, 1000),
        ],
        [
            work("worker-1", 0, 600, "serve"),
            work("worker-1", 50, 500, "handler"),
            work("worker-1", 100, 150, "send head"),
            work("worker-1", 200, 250, "send body"),
            work("worker-1", 700, 1000, "serve"),
        ],
    ):
        check_gap(
            exercise,
            spans,
            (600, 700),
            "The span that began last is not always the one that ends last. To compare "
            "neighbours is not enough; what counts is how far all so far reach.",
        )


def test_start_and_end(exercise: Answer) -> None:
    """A gap may be at the start or at the end, or all there is."""
    served = [work("worker-1", 400, 450), work("worker-1", 500, 900)]
    for spans, expected, where in (
        (served, (0, 400), "before the first span: the request lay unseen"),
        (served[:1], (450, 1000), "after the last span: the answer was on its way"),
        ([], (0, 1000), "from the start to the end: no thread did anything"),
    ):
        check_gap(
            exercise,
            spans,
            expected,
            f"This gap is {where}. Between two spans of the server there is none so "
            "long; the start and the end of the request bound gaps, too.",
        )


def test_before_and_after(exercise: Answer) -> None:
    """What was before the request, and what comes after it, is left out."""
    spans = [
        work("worker-1", 0, 100),
        work("worker-1", 2000, 2200),
        work("worker-2", 2400, 2600),
        work("worker-1", 2900, 3300),
        work("worker-1", 3300, 3400),
        work("worker-1", 9000, 9100),
    ]
    why = (
        "The question is about one request, from start to end. A gap before or after "
        "it is another's, and a span may reach across its start or its end."
    )
    check_gap(exercise, spans, (2600, 2900), why, start=2100, end=3200)
    check_gap(exercise, spans, (1500, 2000), why, start=1500, end=2400)
    check_gap(exercise, spans, (3400, 4000), why, start=3000, end=4000)
    check_gap(exercise, spans, (500, 1500), why, start=500, end=1500)


def test_no_length(exercise: Answer) -> None:
    """A span that takes no time ends a gap all the same."""
    check_gap(
        exercise,
        [work("worker-1", 0, 300), work("keeper", 600, 600, "wake")],
        (600, 1000),
        "Something that took less than the clock shows has happened nevertheless: a "
        "thread woke up and slept again. So there are two gaps, not one.",
    )
    check_gap(
        exercise,
        [
            work("worker-1", 0, 300),
            work("keeper", 350, 350, "wake"),
            work("keeper", 900, 900, "wake"),
            work("worker-1", 950, 1000),
        ],
        (350, 900),
        "On either side of this gap a thread did something, though the clock shows no "
        "time for it. A gap ends and begins there, as it does at any other span.",
    )


def test_no_gap(exercise: Answer) -> None:
    """Where somebody works all the time there is no gap."""
    check_gap(
        exercise,
        [work("worker-1", 0, 500), work("worker-2", 500, 1000)],
        None,
        "One thread begins when the other ends, and no time is between. A server that "
        "works all the time has to be made quicker: there is no wait to remove.",
    )


def test_equally_long(exercise: Answer) -> None:
    """Of gaps that are equally long, it is the first."""
    check_gap(
        exercise,
        [work("worker-1", at, at + 100) for at in (0, 300, 600, 900)],
        (100, 300),
        "Three gaps are equally long. The first of them was asked for.",
    )


def test_whose(exercise: Answer) -> None:
    """A gap is whose work fills most of it."""
    spans = [
        work("worker-1", 0, 100, "send body"),
        work("client 1", 100, 150, "send request"),
        work("kernel", 150, 900, "held back"),
        work("worker-2", 900, 1000, "receive"),
    ]
    why = (
        "A gap is neither that of the thread that worked before it nor of the one that "
        "works after it, and whoever works in it for a moment has not caused it. Ask "
        "who is at work for most of it."
    )
    check_whose(exercise, spans, "kernel", why, 100, 900)
    other = [work("client 2", 200, 950, "send half"), work("kernel", 100, 200, "ack")]
    check_whose(exercise, [*spans[:1], *other], "client 2", why, 100, 1000)
    check_whose(exercise, spans[2:3], "kernel", why, 150, 1649)


def test_whoever_sleeps(exercise: Answer) -> None:
    """Whoever sleeps through a gap has not caused it."""
    check_whose(
        exercise,
        [
            wait("client 1", 0, 1000, "wait for body"),
            wait("keeper", 0, 1000, "select"),
            work("kernel", 200, 900, "held back"),
        ],
        "kernel",
        "The client and the keeper fill the gap, but they sleep: they are the ones "
        "that it makes wait. It is the kernel that is at work.",
    )


def test_within_the_gap(exercise: Answer) -> None:
    """Only what lies within the gap counts."""
    check_whose(
        exercise,
        [
            work("client 1", 0, 5100, "send request"),
            work("client 2", 5900, 9000, "read"),
            work("kernel", 5200, 5900, "held back"),
        ],
        "kernel",
        "The clients' spans are longer, but most of them lies before or after the gap. "
        "Of a span, only the part within the gap counts.",
        5000,
        6000,
    )


def test_in_pieces(exercise: Answer) -> None:
    """The work of a lane is added up."""
    check_whose(
        exercise,
        [
            work("kernel", 50, 350, "held back"),
            work("client 1", 200, 600, "read"),
            work("kernel", 650, 950, "held back"),
        ],
        "kernel",
        "Each of the kernel's two spans is shorter than the client's, and fills less "
        "than half of the gap. Together they fill most of it.",
    )


def test_a_clock(exercise: Answer) -> None:
    """If everybody sleeps for half of the gap or more, it is nobody's."""
    why = (
        "Nobody is at work for more than half of the gap, so it is nobody's: a clock "
        "ended it. To blame whoever did a little is how a mutex gets its bad name."
    )
    send = work("client 1", 0, 20, "send request")
    asleep = [wait("keeper", 0, 1000, "select"), wait("client 1", 20, 1000, "recv")]
    check_whose(exercise, [send, *asleep], None, why)
    check_whose(exercise, asleep, None, why)
    half = [work("kernel", 5000, 5500, "held back")]
    check_whose(
        exercise,
        half,
        None,
        "The kernel is at work for exactly half of the gap, and for the other half "
        "nobody is. Half is not more than half.",
        5000,
        6000,
    )


def test_none_of_the_server(exercise: Answer) -> None:
    """It is never a thread of the server."""
    check_whose(
        exercise,
        [work("worker-1", 0, 900), work("kernel", 100, 700, "held back")],
        "kernel",
        "The server's threads do not count here, however long they work. In a gap "
        "none of them works, so the question is who else does.",
    )
    check_whose(
        exercise,
        [work("main", 0, 900), work("kernel", 100, 700, "held back")],
        "kernel",
        "“main” is a thread of the server as well. A span says that in `server`; a "
        "name need not show it.",
    )


def test_at_the_same_time(exercise: Answer) -> None:
    """A lane that does two things at a time works once."""
    check_whose(
        exercise,
        [
            work("client 1", 100, 500, "send request"),
            work("client 1", 200, 450, "sendall"),
        ],
        None,
        "One of the client's spans lies within the other. It was at work from 100 to "
        "500, which is less than half; added up twice, it looks like more.",
    )


def test_busiest(exercise: Answer) -> None:
    """Of two that work for most of a gap, it is the one that works longest."""
    spans = [
        work("client 1", 0, 700, "read"),
        work("kernel", 0, 900, "held back"),
        work("client 2", 0, 600, "read"),
    ]
    why = "Three lanes work for more than half of the gap, and the kernel longest."
    check_whose(exercise, spans, "kernel", why)
    check_whose(exercise, spans[::-1], "kernel", why)


def test_left_as_it_is(exercise: Answer) -> None:
    """The spans are the caller's: a list is left as it is, and a tuple will do."""
    spans = made(
        exercise,
        [
            work("worker-1", 600, 1000),
            work("kernel", 150, 550, "held back"),
            work("worker-1", 0, 100),
        ],
    )
    for name, ask, expected in (
        ("longest_gap", exercise.longest_gap, (100, 600)),
        ("whose", exercise.whose, "kernel"),
    ):
        given = list(spans)
        called = f"{name}(spans, 100, 600)"
        why = (
            "The list is the caller's, who asks for several requests, or shows the "
            "spans afterwards in the order of the recording. sort() alters a list; "
            "sorted() makes a new one."
        )
        with within(2, exercise, called=called, expected=expected, why=why):
            ask(given, 100, 600)
        check(
            len(given) == len(spans)
            and all(one is other for one, other in zip(given, spans, strict=True)),
            called=f"{called} where spans is a list of {len(spans)}",
            came_back=f"the list holds {len(given)} spans, in another order"
            if len(given) == len(spans)
            else f"the list holds {len(given)} spans",
            expected="the list is as it was",
            why=why,
        )
        with within(2, exercise, called=called, expected=expected, why=why):
            came_back = ask(tuple(spans), 100, 600)
        check(
            came_back == expected,
            called=f"{called} where spans is a tuple of {len(spans)}",
            came_back=repr(came_back),
            expected=repr(expected),
            why="A tuple of spans holds what a list holds.",
        )


def test_the_recording(exercise: Answer) -> None:
    """In our own recording of step 06, the longest gap of a request is the kernel's."""
    path = RECORDING.relative_to(ROOT)
    check(
        RECORDING.exists(),
        called=f"the recording of this chapter, {path}",
        came_back="there is none",
        expected=f"git restore {path} brings it back",
        why="The last check puts your functions on what the book shows.",
    )
    spans, requests = recorded()
    for number, (start, end) in requests.items():
        called = (
            f"longest_gap(spans, {start:g}, {end:g}), request {number} of {path}, with "
            "the send queue towards the client as “kernel”"
        )
        expected = first_longest(spans, start, end)
        why = "What works with made-up spans should work with recorded ones."
        with within(2, exercise, called=called, expected=expected, why=why):
            gap = exercise.longest_gap(made(exercise, spans), start, end)
        check(
            is_gap(gap)
            and all(
                abs(mine - theirs) < RESOLUTION
                for mine, theirs in zip(gap, expected, strict=True)
            ),
            called=called,
            came_back=gap,
            expected=expected,
            why=at_work_in(gap, spans) + why,
        )
    number, (start, end) = max(
        requests.items(), key=lambda request: request[1][1] - request[1][0]
    )
    gap = first_longest(spans, start, end)
    called = f"whose(spans, {gap[0]:g}, {gap[1]:g}), request {number} of {path}"
    why = "All threads of the server sleep, and the client waits for the body."
    with within(2, exercise, called=called, expected="kernel", why=why):
        came_back = exercise.whose(made(exercise, spans), *gap)
    check(
        came_back == "kernel",
        called=called,
        came_back=repr(came_back),
        expected=repr("kernel"),
        why=why,
    )


def recorded() -> tuple[list[dict[str, Any]], dict[int, tuple[float, float]]]:
    """The recording's spans; and when each request began and was answered."""
    events = json.loads(RECORDING.read_text(encoding="utf-8"))["traceEvents"]
    lanes = {
        event["tid"]: event["args"]["name"]
        for event in events
        if event["name"] == "thread_name"
    }
    spans = []
    requests: dict[int, tuple[float, float]] = {}
    for event in events:
        if event["ph"] != "X":
            continue
        lane, ts, until = lanes[event["tid"]], event["ts"], event["ts"] + event["dur"]
        if lane.startswith("queue"):
            lane = "kernel"
        spans.append(span(lane, event["name"], event["cat"], ts, until))
        if number := event["args"].get("request"):
            start, end = requests.get(number, (ts, until))
            requests[number] = (min(start, ts), max(end, until))
    return spans, requests


def first_longest(
    spans: list[dict[str, Any]], start: float, end: float
) -> tuple[float, float]:
    """The longest gap, found the long way: from each place where one may begin."""
    busy = [
        (s["ts"], s["ts"] + s["dur"])
        for s in spans
        if s["server"] and s["cat"] == "work"
    ]
    gaps = []
    for since in sorted({start, *(until for _, until in busy if start < until < end)}):
        if not any(ts <= since < until for ts, until in busy):
            next_ones = [ts for ts, _ in busy if since < ts < end]
            gaps.append((since, min([*next_ones, end])))
    return max(gaps, key=lambda gap: gap[1] - gap[0])
