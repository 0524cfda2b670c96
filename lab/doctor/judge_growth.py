"""What the rates and the latencies of 1, 10 and 100 clients mean."""

from __future__ import annotations

from lab.doctor import commands
from lab.doctor.finding import Finding, Verdict, chapters
from lab.doctor.judge_waits import (
    LEAST_WAIT_MS,
    NO_TIMEOUT,
    disturbed,
    is_disturbed,
    least_ms,
    median,
    stall_ms,
    timeout_of,
)
from lab.doctor.observations import Observations, Point

#: A rate that is so many times another is more, and no chance.
MORE = 1.5
#: Clients who had so many answers each were answered again and again. In a queue whose
#: end the look does not last to see, those that were answered had less than two.
SAME = 3
#: Processors that a server with one busy thread uses, or wants.
SATURATED = 0.75
#: A shorter wait than LEAST_WAIT_MS is told from work where the processor says so, too.
SHORT_WAIT_MS = 1.0
#: Processor time of a request that is much, whatever the page does.
COSTLY_MS = 3.0


def growing(seen: Observations, said: Verdict) -> None:
    """Whether it works or waits: rates and latencies of 1, 10 and 100 clients."""
    one, some, many = (seen.point(count) for count in (1, 10, 100))
    if one is None or some is None or many is None:
        if seen.growth:
            said.open("how it grows with clients", "a load brought no answers")
        return
    waits = seen.split and (stall_ms(seen.split) or timeout_of(seen))
    latencies = ", ".join(map(_latency, (one, some, many)))
    growth = (
        f"{one.rate:,.0f}, {some.rate:,.0f}, {many.rate:,.0f} requests a second with "
        f"1, 10, 100 clients; {latencies} ms"
    )
    # Where most are not answered within the load, the latencies of the rest do not say
    # that they wait for each other, and the law does.
    most_wait = is_cut_short(many) or many.starved > many.connections / 2
    longer = many.p50_ms > some.p50_ms * 4 or most_wait
    if waits:
        _behind_a_wait(seen, one, some, many, growth, said)
    elif fixed_wait(one, some, many):
        said.findings.append(_fixed_wait(seen, one, growth))
    elif collapses(some, many) and is_disturbed(seen):
        said.open("whether it gets slower with many clients", disturbed(seen, growth))
    elif collapses(some, many):
        said.findings.append(_collapse(seen, growth))
    elif _is_short_wait(seen, one, some):
        _short_wait(seen, one, some, growth, said)
    elif many.client_bound:
        said.ok("it does not wait: more clients get more answers, or queue", growth)
        said.open(
            "how much it could do",
            "the client that asks was the limit: it may be faster than this",
        )
    elif _queues_for_a_wait(seen, one, some, many):
        said.findings.append(_queue(seen, one, some, many, growth))
    elif many.rate < some.rate * 2 and longer and not is_unfair(seen, many):
        _saturated(seen, many, growth, said)
    elif many.rate > MORE * one.rate:
        said.ok("more clients get more answers", growth)
    else:
        said.ok("it does not break down under many clients", growth)


def _behind_a_wait(
    seen: Observations, one: Point, some: Point, many: Point, growth: str, said: Verdict
) -> None:
    """Where each request waits for a timeout, or for an acknowledgement: is there
    anything behind that which requests wait for together?"""
    if fixed_wait(one, some, many):
        used = f"; {many.cpu:.0%} of a core is used" if many.cpu is not None else ""
        said.ok(
            "no lock, pool or processor holds it back: more clients do not make "
            "requests slower",
            growth + used,
        )
    elif timeout_of(seen) is None and many.rate < some.rate * 2:
        said.open(
            "whether requests queue for something behind that wait",
            f"{growth}: when the wait is gone, ask again",
        )


def _fixed_wait(seen: Observations, one: Point, growth: str) -> Finding:
    return Finding(
        id="fixed-wait",
        weight=70,
        sentence=f"A request takes about {one.p50_ms:.0f} ms, with one client or with "
        "a hundred: it waits, and not for other requests",
        short=f"a wait of {one.p50_ms:.0f} ms in each request",
        figure=f"{growth}; {_which_part(seen)}",
        sure="certain",
        see=commands.probe(seen, 5),
        chapters=chapters("03"),
    )


def _collapse(seen: Observations, growth: str) -> Finding:
    return Finding(
        id="collapse",
        weight=88,
        sentence="With 100 clients it answers less than half of what it answers with "
        "10",
        short="it gets slower with many clients",
        figure=growth,
        sure="likely",
        see=commands.load(seen, 100),
        chapters=chapters("02", "08"),
    )


def _queue(
    seen: Observations, one: Point, some: Point, many: Point, growth: str
) -> Finding:
    at_once = max(1.0, max(some.rate, many.rate) * one.p50_ms / 1e3)
    return Finding(
        id="queue",
        weight=72,
        sentence=f"It works on about {at_once:.0f} request{'s' * (at_once >= 1.5)} at "
        "a time, and waits meanwhile: the others queue, and the processor is idle",
        short=f"a queue before {at_once:.0f} at a time",
        figure=f"{growth}; the processor: {many.cpu or 0:.0%} of a core",
        sure="likely",
        see=commands.load(seen, 100),
        chapters=chapters("02", "10"),
    )


def costly(seen: Observations, said: Verdict) -> None:
    """A page that needs much of the processor, whoever asks for it and how often."""
    each_ms = [
        point.cpu / point.rate * 1e3
        for point in seen.growth
        if point.cpu is not None and point.rate and point.requests >= 5
    ]
    if len(each_ms) < 2 or min(each_ms) < COSTLY_MS:
        return
    least = min(each_ms)
    said.findings.append(
        Finding(
            id="costly",
            weight=61,
            sentence=f"Each request costs about {least:.0f} ms of processor time, so "
            f"that one processor answers no more than {1e3 / least:,.0f} of them a "
            "second",
            short=f"{least:.0f} ms of processor time for each request",
            figure=", ".join(
                f"{point.cpu or 0:.2f} processors for {point.rate:,.0f} a second with "
                f"{point.connections}"
                for point in seen.growth
            ),
            sure="certain",
            see=f"perf top -p {commands.pid(seen)}",
            chapters=chapters("10", "14"),
        )
    )


def rare(seen: Observations, said: Verdict) -> None:
    """Few requests that take so long that most of the time goes into them.

    By the law, clients = rate x mean latency; where rate x median is far less, the
    difference is in the slow ones.
    """
    points = [
        point
        for point in seen.growth
        if point.requests >= 50
        and not point.errors
        and point.rate * point.p50_ms / 1e3 < 0.4 * point.connections
        and point.starved < point.connections / 4  # it is not the clients' number
        and point.max_ms > max(20 * point.p50_ms, LEAST_WAIT_MS * 4)
    ]
    if len(points) < 2:
        return
    if is_disturbed(seen):
        said.open(
            "whether a few of its requests are very slow",
            disturbed(seen, f"the slowest took {points[0].max_ms:,.0f} ms"),
        )
        return
    point = points[0]
    spent = 1 - point.rate * point.p50_ms / 1e3 / point.connections
    said.findings.append(
        Finding(
            id="rare",
            weight=68,
            sentence=f"Now and then a request takes very long, up to "
            f"{point.max_ms:,.0f} ms where half of them take {point.p50_ms:.2f} ms or "
            f"less: {spent:.0%} of the clients' time goes into those",
            short=f"now and then a request of {point.max_ms:,.0f} ms",
            figure="; ".join(
                f"with {p.connections}: {p.rate:,.0f} a second, half within "
                f"{p.p50_ms:.2f} ms, the slowest {p.max_ms:,.0f} ms"
                for p in points
            ),
            sure="likely",
            see=commands.load(seen, 1, 5),
            chapters=chapters("12"),
        )
    )


def _works_ms(point: Point) -> float | None:
    """How long a request had the processor, or wanted it; None: not known."""
    if point.cpu is None or not point.rate:
        return None
    return (point.cpu + (point.waited or 0.0)) / point.rate * 1e3


def _sleeps_ms(seen: Observations, one: Point) -> float | None:
    """How long one client alone waits, where that is no work; None: it is not told."""
    if one.waited is None and (seen.others_cpu is None or is_disturbed(seen)):
        return None  # others may have had the processor that it wanted
    works_ms = _works_ms(one)
    if works_ms is None or works_ms > one.p50_ms / 3 or one.p50_ms < SHORT_WAIT_MS:
        return None
    # A busy machine makes many requests slow; but not nearly all of them, each time.
    return one.p50_ms if least_ms(seen.split) > one.p50_ms / 2 else None


def _queues_for_a_wait(
    seen: Observations, one: Point, some: Point, many: Point
) -> bool:
    """More clients are not answered more, and yet the processor sleeps.

    The rates tell it. The latencies of many need not: where a hundred queue for
    something slow, most of them are not answered before the look is over.
    """
    if many.rate >= some.rate * 2 or is_unfair(seen, many) or many.cpu is None:
        return False
    if one.p50_ms < LEAST_WAIT_MS and _sleeps_ms(seen, one) is None:
        return False
    return all((p.cpu or 0.0) + (p.waited or 0.0) < 0.5 for p in (some, many))


def _is_short_wait(seen: Observations, one: Point, some: Point) -> bool:
    """A wait of a few milliseconds, which the processor confirms."""
    return _sleeps_ms(seen, one) is not None and some.rate >= 6 * one.rate


def _short_wait(
    seen: Observations, one: Point, some: Point, growth: str, said: Verdict
) -> None:
    wait_ms = one.p50_ms
    works = f"; the processor works {_works_ms(one) or 0:.2f} ms of it"
    # Ten clients cannot shorten a wait of the page's own.
    timeout = some.p50_ms < wait_ms / 2
    if timeout:
        said.tried[:] = [each for each in said.tried if each.what != NO_TIMEOUT]
    said.findings.append(
        Finding(
            id="timeout" if timeout else "fixed-wait",
            weight=71 if timeout else 52,
            sentence="A request on a kept connection waits for a timeout of about "
            f"{wait_ms:.0f} ms, which ends early only when other clients come"
            if timeout
            else f"A request takes about {wait_ms:.0f} ms, with one client or with "
            "ten: it waits, and not for other requests",
            short=f"a wait of {wait_ms:.0f} ms in each request",
            figure=growth + works,
            sure="likely",
            see=commands.probe(seen, 5),
            chapters=chapters("03", "05") if timeout else chapters("03"),
        )
    )


def _saturated(seen: Observations, many: Point, growth: str, said: Verdict) -> None:
    """The rate is level and the latency grows: requests queue. For what?"""
    if many.cpu is None:
        said.ok("it works rather than waits, it seems: requests queue", growth)
        return
    used = f"{growth}; the server used {many.cpu:.1f} processors"
    wanted = many.cpu
    if many.waited is not None and many.waited > 0.05:
        wanted += many.waited
        used += f", and its threads wanted {many.waited:.1f} more"
    if wanted >= SATURATED:
        said.ok("it works rather than waits: requests queue for a processor", used)
    else:
        said.open(
            "what requests queue for when there are many clients",
            f"{used}: the machine was busy, or the client was the limit, or it waits",
        )


def is_unfair(seen: Observations, point: Point) -> bool:
    """Most clients wait for very long, in each look, while few are answered quickly.

    Where each answer ends a connection it is not the same few; nor do we know it of
    those who had an answer or two each, before the time was over for the others.
    """
    contact = seen.contact
    if contact and contact.closed == contact.connections:
        return False
    few = max(1.0, point.connections - point.starved)
    if point.requests < SAME * few:
        return False
    most = point.connections >= 10 and point.starved > point.connections / 2
    late = "timeout" in point.errors or point.max_ms > 20 * point.p50_ms
    # Or the look was too short for those who waited, and all others were quick in it.
    look_ms = point.requests / point.rate * 1e3 if point.rate else 0.0
    quick = point.requests >= 10 and point.max_ms < look_ms / 10
    return most and (late or quick)


def is_cut_short(point: Point) -> bool:
    """Whether so few were answered that the others may have waited for their first
    answer until the time was over: the latencies are those of the quick ones."""
    return point.requests < 2 * point.connections


def _latency(point: Point) -> str:
    over = "over " if is_cut_short(point) else ""
    return f"{over}{point.p50_ms:.2f}"


def collapses(some: Point, many: Point) -> bool:
    """Less than half the rate with many, in each of the looks and without a doubt."""
    return not many.client_bound and max(many.rates) < min(some.rates) / 2


def _which_part(seen: Observations) -> str:
    alone = seen.split.alone if seen.split else None
    heads = median(alone.head_ms) if alone else None
    whole = median(alone.latency_ms) if alone else None
    if heads is None or whole is None:
        return "which part of an answer is late was not seen"
    if heads > whole / 2:
        return (
            "the head itself comes late, and others do not shorten it: so the wait is "
            "in the program, or in what that asks"
        )
    return "the head comes at once, and the rest late, however it is acknowledged"


def fixed_wait(one: Point, some: Point, many: Point) -> bool:
    """Latency level, while the rate grows with the clients."""
    latencies = (one.p50_ms, some.p50_ms, many.p50_ms)
    return (
        one.p50_ms >= LEAST_WAIT_MS
        and max(latencies) < 1.6 * min(latencies)
        and many.rate > 25 * one.rate
    )
