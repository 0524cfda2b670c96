"""What the observations mean: a pure function, observations in, findings out.

A finding needs a difference that this one consultation shows twice, or by its
construction: somebody who is answered when others leave, and not before; a wait that
goes away when one thing is changed. Bounds are ratios within the consultation, so that
they hold on a slow machine as well as on a quick one; the few absolute ones keep what
nobody would notice from being called a fault.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from lab.doctor.observations import Crowd, Dawdler, Held, Observations, Point, Split

#: A wait shorter than this is not told from work.
LEAST_WAIT_MS = 5.0
#: A body that is held back comes this much after its head: Linux waits for 40 ms.
LEAST_STALL_MS = 25.0
#: The descriptors that `select()` can watch.
FD_SETSIZE = 1024
#: Clients that do not go on were watched long enough to say that there is no deadline:
#: longer than the minute that most servers give.
LONG_WATCH_S = 80.0
#: A server that is stopped sleeps; one that uses so many processors does not.
SPINS = 0.2
#: Processors that other programs may use before speed is no longer judged.
DISTURBED = 0.3
#: Beside a crowd, a request takes so many times as long where the crowd costs something.
CROWD_COSTS = 2.0
#: Findings of at least this weight are named behind the first.
WEIGHTY = 60

#: And of less than this, they are no more than noted.
LEADING = 50

Sure = Literal["certain", "likely"]

CHAPTERS = {
    "01": "01-close-after-response",
    "02": "02-four-workers",
    "03": "03-timeout-and-rebuild",
    "04": "04-pipe-and-second-thread",
    "05": "05-detach-and-reattach",
    "06": "06-both",
    "07": "07-one-line",
    "08": "08-register-once",
    "09": "09-never-block",
    "10": "10-workers-again",
    "11": "11-deadlines",
    "12": "12-a-server-to-keep",
    "13": "13-any-application",
    "14": "14-every-core",
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and how it is known."""

    #: A short name for programs: "stall".
    id: str
    #: How much it holds the server back, against other findings.
    weight: int
    #: What is wrong, as a sentence without its full stop.
    sentence: str
    #: The same in a few words, to stand behind another finding.
    short: str
    #: The figures that say so.
    figure: str
    sure: Sure
    #: A command that shows it.
    see: str
    #: Folders of chapters that are about it.
    chapters: tuple[str, ...]


@dataclass(frozen=True)
class Tried:
    """Something that was tried, and found in order."""

    what: str
    found: str


@dataclass(frozen=True)
class Undecided:
    """Something that could not be decided, and why."""

    what: str
    why: str


@dataclass
class Verdict:
    """What the consultation comes to. Findings are ordered, the weightiest first."""

    first: str = ""
    findings: list[Finding] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)

    def ok(self, what: str, found: str) -> None:
        self.tried.append(Tried(what, found))

    def open(self, what: str, why: str) -> None:
        self.undecided.append(Undecided(what, why))


def verdict(seen: Observations) -> Verdict:
    """Everything that can be said."""
    said = Verdict()
    for judge in (
        _closing,
        _waiting,
        _growing,
        _holding,
        _crowding,
        _slow,
        _protocol,
        _process,
        _deadlines,
        _ending,
    ):
        judge(seen, said)
    for what, why in seen.notes.items():
        said.open(what, why)
    said.findings.sort(key=lambda finding: -finding.weight)
    said.first = _first_sentence(seen, said)
    return said


def _first_sentence(seen: Observations, said: Verdict) -> str:
    if not said.findings:
        dawdlers = _never_ended(seen)
        if dawdlers and not any(_is_ended(each) for each in seen.dawdlers):
            watched = min(each.watched_s for each in seen.dawdlers)
            return (
                "Nothing was found that holds the server back; but if it has "
                f"deadlines, they are longer than the {watched:.0f} s that there were "
                f"to see them: it did not end {_listed(dawdlers)}."
            )
        short = " by what was tried" if seen.interrupted else ""
        return f"Nothing was found that holds the server back{short}."
    lead, *others = said.findings
    if lead.weight < LEADING:
        small = _listed(each.short for each in said.findings)
        return f"Nothing was found that holds the server back; there is only {small}."
    behind = [each.short for each in others if each.weight >= WEIGHTY][:3]
    if not behind:
        return f"{lead.sentence}."
    return f"{lead.sentence}; behind it: {_listed(behind)}."


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


# --- Connections ---------------------------------------------------------------------


def _closing(seen: Observations, said: Verdict) -> None:
    contact = seen.contact
    if contact is None:
        return
    if contact.closed == 0:
        said.ok(
            "connections are kept",
            f"{contact.connections} of {contact.connections} answered a second request",
        )
        return
    if contact.closed < contact.connections:
        said.open(
            "whether connections are kept",
            f"{contact.connections - contact.closed} of {contact.connections} "
            "answered a second request",
        )
        return
    whole = contact.connect_ms + contact.first_ms
    many = _point(seen, 10)
    rate = (
        f"; with 10 clients {many.closed:,} connections for {many.requests:,} requests"
        if many
        else ""
    )
    said.findings.append(
        Finding(
            id="closes",
            weight=80,
            sentence="It closes the connection after each response, though the client "
            "asks to keep it, so that every request pays for a connection",
            short="a new connection for each request",
            figure=f"{contact.closed} of {contact.connections} connections{rate}; "
            f"connecting is {contact.connect_ms:.2f} ms of {whole:.2f} ms here, where "
            "the way is short; over a network it is a whole round trip",
            sure="certain",
            see=f"curl -v {seen.url} {seen.url} 2>&1 | grep -ic 'closing connection'",
            chapters=_chapters("01", "02"),
        )
    )


def _chapters(*numbers: str) -> tuple[str, ...]:
    return tuple(CHAPTERS[number] for number in numbers)


def _point(seen: Observations, connections: int) -> Point | None:
    for point in seen.growth:
        if point.connections == connections and point.requests:
            return point
    return None


# --- Waits ---------------------------------------------------------------------------


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if len(values) >= 3 else None


def stall_ms(split: Split) -> float | None:
    """How long a body is held back until its head is acknowledged; None: it is not."""
    if split.alone is None:
        return None
    gap = _median(split.alone.gap_ms)
    if gap is None or gap < LEAST_STALL_MS:
        return None
    if split.quick is not None:
        quick = _median(split.quick.gap_ms)
        # It is the acknowledgement that the rest waits for: it comes when that does.
        return gap if quick is not None and quick < gap / 3 else None
    # Without that proof: it is the wait of every request but a connection's first.
    first = _median(split.first_ms)
    return gap if first is not None and first < gap / 3 else None


def timeout_ms(split: Split) -> float | None:
    """How long a request waits for a timeout that others end early; None: it does not.

    What is compared are the heads: a body that is held back is another thing.
    """
    if split.alone is None or split.beside is None:
        return None
    quiet = split.quick or split.alone
    alone, beside = _median(quiet.head_ms), _median(split.beside.head_ms)
    if alone is None or beside is None or alone < LEAST_WAIT_MS:
        return None
    # Nearly all wait; noise makes some slow, and most not.
    ordered = sorted(quiet.head_ms)
    if ordered[len(ordered) // 4] < alone / 2:
        return None
    return alone if beside < alone * 0.6 and beside < alone - 3 else None


def _waiting(seen: Observations, said: Verdict) -> None:
    split = seen.split
    if split is None:
        return
    stall, timeout = stall_ms(split), timeout_ms(split)
    head_and_body = split.alone is None or split.alone.cut_after_head * 2 >= len(
        split.alone.gap_ms
    )
    growth = _flat(seen)
    if timeout is not None:
        assert split.beside is not None
        beside = _median(split.beside.head_ms)
        said.findings.append(
            Finding(
                id="timeout",
                weight=100,
                sentence="A request on a kept connection waits for a timeout of about "
                f"{timeout:.0f} ms, which ends early only when other clients come",
                short="a timeout",
                figure=f"one client alone waits {timeout:.0f} ms; beside others who "
                f"come and go, {beside:.1f} ms{growth}",
                sure="certain",
                see=f"python -m lab probe {seen.url} --requests 5",
                chapters=_chapters("03", "05"),
            )
        )
    if stall is not None:
        quick = (
            f"; {_median(split.quick.gap_ms):.1f} ms if the client acknowledges at once"
            if split.quick is not None
            else ""
        )
        paused = (
            f"; {_median(split.paused.gap_ms):.1f} ms after a pause of 50 ms"
            if split.paused and len(split.paused.gap_ms) >= 3
            else ""
        )
        said.findings.append(
            Finding(
                id="stall",
                weight=95,
                sentence="It writes the head and the body of a response separately, "
                f"and the kernel holds the body back for about {stall:.0f} ms, until "
                "the client's kernel has acknowledged the head"
                if head_and_body
                else "It writes a response in several small pieces, and the kernel "
                f"holds the later ones back for about {stall:.0f} ms, until the "
                "client's kernel has acknowledged the first",
                short=f"two writes for one response, of which the second is held back "
                f"for {stall:.0f} ms",
                figure=f"the last bytes come {stall:.0f} ms after the first, from a "
                f"connection's second request on{quick}{paused}"
                f"{'' if timeout else growth}",
                sure="certain" if split.quick is not None else "likely",
                see=f"python -m lab probe {seen.url} --requests 5",
                chapters=_chapters("06", "07"),
            )
        )
    if stall is None:
        _two_writes(seen, split, said)
    if stall is None and timeout is None and split.alone is not None:
        alone = _median(split.alone.latency_ms)
        if alone is not None:
            said.ok("no wait for a timeout", f"{alone:.2f} ms a request, alone")


def two_writes(seen: Observations, split: Split) -> bool:
    """Whether head and body come in two segments that end where the head does."""
    contact = seen.contact
    if contact is None or not split.looked_at or not contact.body_bytes:
        return False
    if split.segments is None:
        return split.cut_after_head * 2 > split.looked_at
    # A long answer needs several.
    small = contact.head_bytes + contact.body_bytes < 1400
    return small and split.segments >= 2


def _two_writes(seen: Observations, split: Split, said: Verdict) -> None:
    if not two_writes(seen, split):
        if seen.contact and seen.contact.body_bytes:
            segments = (
                f"in {split.segments:g} segment{'s' if split.segments != 1 else ''}"
                if split.segments is not None
                else "together"
            )
            said.ok("head and body are not torn apart", f"they arrive {segments}")
        return
    count = f"{split.segments:g} segments" if split.segments else "two pieces"
    if split.alone is not None:
        said.ok(
            "a response comes in two writes, and nothing holds the second back",
            f"{count} an answer: the server has set TCP_NODELAY, or its like",
        )
        return
    said.findings.append(
        Finding(
            id="hidden-stall",
            weight=48,
            sentence="A response is written in two; closing pushes the second write "
            "out, so that it costs nothing, until connections are kept: then, without "
            "TCP_NODELAY, each further response takes 40 ms",
            short="two writes for one response, which cost nothing while it closes",
            figure=f"{count} an answer of {_bytes(seen)} bytes; the cut after the head "
            f"was seen {split.cut_after_head} times of {split.looked_at}",
            sure="certain" if split.cut_after_head else "likely",
            see="strace -f -e trace=network,write,writev -p PID",
            chapters=_chapters("06", "07"),
        )
    )


def _bytes(seen: Observations) -> int:
    return seen.contact.head_bytes + seen.contact.body_bytes if seen.contact else 0


def _flat(seen: Observations) -> str:
    """The law's testimony, as words to stand behind others."""
    points = [point for point in seen.growth if point.requests]
    if len(points) < 2:
        return ""
    pairs = ", ".join(f"{p.p50_ms:.0f} ms with {p.connections}" for p in points)
    rates = ", ".join(f"{p.rate:,.0f}" for p in points)
    return f"; under load {pairs}: {rates} requests a second"


def _growing(seen: Observations, said: Verdict) -> None:
    one, some, many = (_point(seen, count) for count in (1, 10, 100))
    for point in seen.growth:
        wrong = sum(point.errors.values())
        if wrong > max(3, 0.01 * (point.requests + wrong)):
            kinds = ", ".join(f"{kind} {n:,}" for kind, n in point.errors.items())
            said.findings.append(
                Finding(
                    id="errors",
                    weight=90,
                    sentence=f"With {point.connections} "
                    f"client{'s' if point.connections > 1 else ''}, requests fail: "
                    f"{wrong:,} of {point.requests + wrong:,}",
                    short=f"requests that fail with {point.connections} clients",
                    figure=kinds,
                    sure="certain",
                    see=f"python -m lab load {seen.url} "
                    f"--connections {point.connections} --seconds 3",
                    chapters=_chapters("03", "04"),
                )
            )
            break
    if one is None or some is None or many is None:
        if seen.growth:
            said.open("how it grows with clients", "a load brought no answers")
        return
    waits = seen.split and (stall_ms(seen.split) or timeout_ms(seen.split))
    growth = (
        f"{one.rate:,.0f}, {some.rate:,.0f}, {many.rate:,.0f} requests a second with "
        f"1, 10, 100 clients; {one.p50_ms:.2f}, {some.p50_ms:.2f}, "
        f"{many.p50_ms:.2f} ms"
    )
    if waits:
        if fixed_wait(one, some, many):
            used = f"; {many.cpu:.0%} of a core is used" if many.cpu is not None else ""
            said.ok(
                "no lock, pool or processor holds it back: more clients do not make "
                "requests slower",
                growth + used,
            )
        return
    if fixed_wait(one, some, many):
        said.findings.append(
            Finding(
                id="fixed-wait",
                weight=70,
                sentence=f"A request takes about {one.p50_ms:.0f} ms, with one client "
                "or with a hundred: it waits, and not for other requests",
                short=f"a wait of {one.p50_ms:.0f} ms in each request",
                figure=f"{growth}; {_which_part(seen)}",
                sure="certain",
                see=f"python -m lab probe {seen.url} --requests 5",
                chapters=_chapters("03"),
            )
        )
    elif collapses(some, many) and _is_disturbed(seen):
        said.open("whether it gets slower with many clients", _disturbed(seen, growth))
    elif collapses(some, many):
        said.findings.append(
            Finding(
                id="collapse",
                weight=88,
                sentence="With 100 clients it answers less than half of what it "
                "answers with 10",
                short="it gets slower with many clients",
                figure=growth,
                sure="likely",
                see=f"python -m lab load {seen.url} --connections 100 --seconds 3",
                chapters=_chapters("02", "08"),
            )
        )
    elif many.client_bound:
        said.ok("it does not wait: more clients are answered more, or queue", growth)
        said.open(
            "how much it could do",
            "the client that asks was the limit: it may be faster than this",
        )
    elif many.rate < some.rate * 2 and many.p50_ms > some.p50_ms * 4:
        busy = many.cpu
        if busy is not None and busy < 0.5 and one.p50_ms >= LEAST_WAIT_MS:
            at_once = many.rate * one.p50_ms / 1e3
            said.findings.append(
                Finding(
                    id="queue",
                    weight=72,
                    sentence=f"It works on about {at_once:.0f} "
                    f"request{'s' if at_once >= 1.5 else ''} at a time, and waits "
                    "meanwhile: the others queue, and the processor sleeps",
                    short=f"a queue before {at_once:.0f} at a time",
                    figure=f"{growth}; the processor: {busy:.0%} of a core",
                    sure="likely",
                    see=f"python -m lab load {seen.url} --connections 100 --seconds 3",
                    chapters=_chapters("02", "10"),
                )
            )
            return
        cores = f"; {busy:.1f} of its cores are busy" if busy is not None else ""
        said.ok("it works rather than waits: saturated, requests queue", growth + cores)
    else:
        said.ok("more clients are answered more", growth)


def collapses(some: Point, many: Point) -> bool:
    """Less than half the rate with many, in each of the looks and without a doubt."""
    return not many.client_bound and max(many.rates) < min(some.rates) / 2


def _is_disturbed(seen: Observations) -> bool:
    return seen.others_cpu is not None and seen.others_cpu > DISTURBED


def _disturbed(seen: Observations, figure: str) -> str:
    return f"other programs used {seen.others_cpu:.1f} processors meanwhile; {figure}"


def _which_part(seen: Observations) -> str:
    alone = seen.split.alone if seen.split else None
    heads = _median(alone.head_ms) if alone else None
    whole = _median(alone.latency_ms) if alone else None
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


# --- Holders -------------------------------------------------------------------------

HOLDING = {
    "silent": ("that connect and say nothing", "that connects and says nothing"),
    "half": ("that have sent half a request", "that has sent half a request"),
    "body": ("that have sent half a body", "that has sent half a body"),
    "unread": ("that do not read their answers", "that does not read its answers"),
}
HOW_TO_HOLD = {
    "silent": "",
    "half": " --half",
    "body": " --half",
    "unread": " --unread",
}


def _holding(seen: Observations, said: Verdict) -> None:
    # Who is stopped by silence is stopped by half a request as well.
    told: set[int] = set()
    for kind in ("silent", "half", "body", "unread"):
        tries = [held for held in seen.held if held.kind == kind]
        if not tries:
            continue
        last = tries[-1]
        many, one = HOLDING[kind]
        if not last.stopped:
            said.ok(
                f"{last.holders} clients {many} stop nobody",
                f"another is answered after {last.answered_ms:.1f} ms",
            )
            continue
        if last.again[0] < last.again[1] or last.limit is None:
            said.open(
                f"whether {_clients(last, many, one)} can stop it",
                "another waited once, and not the next time"
                if last.limit is not None
                else "another was not answered, not even when they had left",
            )
            continue
        if last.limit in told and kind != "unread":
            continue
        told.add(last.limit)
        said.findings.append(_stopped(seen, last, many, one))


def _clients(held: Held, many: str, one: str) -> str:
    if held.holders == 1:
        return f"one client {one}"
    return f"{held.holders} clients {many}"


def _stopped(seen: Observations, last: Held, many: str, one: str) -> Finding:
    limit = last.limit
    assert limit is not None
    unread = last.kind == "unread"
    if limit == 1:
        sentence = f"One client {one} stops it for everybody else"
        short = f"one client {one}, for which everybody waits"
        weight = 84 if unread else 92
    else:
        sentence = f"{limit} clients {many} stop it for everybody else"
        short = f"{limit} clients {many}, enough to stop it"
        weight = 74 if unread else 75
    gone = last.answered_after
    return Finding(
        id=f"stopped-by-{last.kind}",
        weight=weight,
        sentence=sentence,
        short=short,
        figure=f"beside {last.holders} of them another was not answered, until "
        f"{gone} of them had left; twice",
        sure="certain",
        see=f"python -m lab silent {seen.url} --connections {limit}"
        f"{HOW_TO_HOLD[last.kind]} --seconds 10 & "
        f"python -m lab probe {seen.url}",
        chapters=_chapters("09", "08")
        if unread
        else _chapters("01" if limit == 1 else "02"),
    )


def crowd_ratio(crowd: Crowd) -> float | None:
    """How many times as long a request takes beside a crowd; None: it cannot be told.

    The quickest look beside the crowd against the slowest without it.
    """
    if not crowd.without_ms or not crowd.beside_ms:
        return None
    return min(crowd.beside_ms) / max(crowd.without_ms)


def _crowding(seen: Observations, said: Verdict) -> None:
    crowd = seen.crowd
    if crowd is None:
        return
    if crowd.opened == 0 and crowd.note:
        said.open("what a crowd of silent clients does", crowd.note)
        return
    silent = f"python -m lab silent {seen.url} --connections"
    selects = _selects(seen)
    if crowd.answered_ms is None and crowd.limit is not None:
        limit = crowd.limit
        close = 0.95 * FD_SETSIZE < limit <= FD_SETSIZE
        process = seen.process
        descriptors = process.descriptors if process else None
        few = descriptors is not None and limit > 0.9 * descriptors
        epoll = process is not None and process.waits_with == "epoll"
        is_select = close and not few and not epoll
        if few:
            why = f"its limit of descriptors, {descriptors} (ulimit -n)"
        elif is_select:
            why = "the 1 024 descriptors that select() can watch"
            if not selects:
                why += ", or a limit of as many descriptors (ulimit -n)"
        else:
            why = "a limit of connections, or of whatever each of them holds"
        said.findings.append(
            Finding(
                id="select" if is_select else "connection-limit",
                # A limit of many is a choice; one of few is easily filled.
                weight=78 if is_select else 66 if limit < 256 else 45,
                sentence=f"About {limit:,} connections that say nothing shut everybody "
                f"else out: {why}",
                short="select(), whose set ends at 1 024 descriptors"
                if is_select
                else f"a limit of about {limit:,} connections, which silence can fill",
                figure=f"beside {crowd.opened:,} silent connections another was "
                f"{crowd.ended or 'not answered'}; beside {limit:,} it was answered",
                sure="certain" if selects or not close else "likely",
                see=f"{silent} 1100 --seconds 10 & python -m lab probe {seen.url}",
                chapters=_chapters("07" if is_select else "12"),
            )
        )
    elif crowd.answered_ms is None:
        said.open(
            "where its limit of connections is",
            f"beside {crowd.opened:,} silent ones nobody was answered, nor when most "
            "of them had gone",
        )
    else:
        said.ok(
            f"{crowd.opened:,} connections that say nothing shut nobody out",
            f"another is answered after {crowd.answered_ms:.1f} ms",
        )
    _crowd_cost(seen, crowd, said)


def _selects(seen: Observations) -> bool:
    """Whether we know that it watches without epoll."""
    process = seen.process
    return process is not None and process.waits_with == "no epoll"


def _crowd_cost(seen: Observations, crowd: Crowd, said: Verdict) -> None:
    ratio = crowd_ratio(crowd)
    if ratio is None:
        return
    without, beside = min(crowd.without_ms), min(crowd.beside_ms)
    times = f"{without:.2f} ms a request without them, {beside:.2f} ms beside them"
    cpu = ""
    if crowd.cpu_without_us and crowd.cpu_beside_us:
        cpu = (
            f"; the processor works {crowd.cpu_without_us:.0f} µs and "
            f"{crowd.cpu_beside_us:.0f} µs for it"
        )
        # The processor's time is not another program's doing: it has to agree.
        costs = crowd.cpu_beside_us > CROWD_COSTS * crowd.cpu_without_us
    else:
        costs = not _is_disturbed(seen)
    if ratio > CROWD_COSTS and not costs:
        said.open("whether silent clients cost others anything", times + cpu)
    elif ratio > CROWD_COSTS and beside - without > 0.03:
        said.findings.append(
            Finding(
                id="crowd-cost",
                weight=62,
                sentence=f"{crowd.part} connections that say nothing make every "
                f"request of others {ratio:.1f} times as long",
                short="a cost that grows with connections that say nothing",
                figure=times + cpu,
                sure="certain" if cpu else "likely",
                see=f"python -m lab silent {seen.url} --connections {crowd.part} "
                f"--seconds 10 & python -m lab load {seen.url} --connections 1 "
                "--seconds 3",
                chapters=_chapters("07", "08"),
            )
        )
    else:
        said.ok(f"{crowd.part} silent connections cost others nothing", times + cpu)


def _slow(seen: Observations, said: Verdict) -> None:
    slow = seen.slow
    if slow is None:
        return
    if slow.one and slow.one.stopped and not slow.one.again[0]:
        said.open("whether a slow request stops others", "once it did, and once not")
        return
    if slow.one and slow.one.stopped:
        said.findings.append(
            Finding(
                id="slow-handler",
                weight=85,
                sentence=f"One slow request stops it: while it works on {slow.path}, "
                "nobody else is answered",
                short="one slow request, for which everybody waits",
                figure=f"{slow.path} takes {slow.takes_ms:.0f} ms, and whoever asks "
                "for another page meanwhile waits until it is over",
                sure="certain",
                see=f"curl {_url(seen, slow.path)} & python -m lab probe {seen.url}",
                chapters=_chapters("08", "10"),
            )
        )
        return
    if not slow.at_once:
        return
    at_once = slow.at_once * slow.takes_ms / slow.together_ms if slow.together_ms else 0
    several = slow.several
    beside = (
        "; then others wait as well"
        if several and several.stopped
        else "; others are answered meanwhile"
    )
    said.ok(
        "a slow request does not stop others",
        f"{slow.at_once} at once: it works on about {max(at_once, 1):.0f} of them at a "
        f"time{beside}",
    )


def _url(seen: Observations, path: str) -> str:
    scheme, _, rest = seen.url.partition("//")
    return f"{scheme}//{rest.partition('/')[0]}{path}"


# --- HTTP ----------------------------------------------------------------------------

PROTOCOL: dict[str, tuple[int, str, str, tuple[str, ...], str]] = {
    "length": (
        66,
        "An answer is not as long as its head says: {}",
        "an answer of the wrong length",
        ("13",),
        "every answer is as long as its head says",
    ),
    "pipelined": (
        60,
        "Requests that a client sends without waiting are not all answered: {}",
        "pipelined requests that are lost or late",
        ("09",),
        "pipelined requests are answered, all and in order",
    ),
    "body_unread": (
        58,
        "An answer is lost when the server does not want the request's body: {}",
        "an answer lost to a reset",
        ("09",),
        "a long body that it may not want costs no answer",
    ),
    "head": (
        55,
        "It answers HEAD wrongly: {}",
        "a wrong answer to HEAD",
        ("13",),
        "HEAD is answered without a body",
    ),
    "closing": (
        42,
        "When it closes with something unread, a reset follows its answer: {}",
        "a reset that follows an answer",
        ("09",),
        "when it closes, it does so plainly, also with something unread",
    ),
    "expect": (
        45,
        "It does not answer `Expect: 100-continue`: {}; curl waits a second for that",
        "no answer to Expect",
        ("09",),
        "Expect: 100-continue is answered",
    ),
    "half_closed": (
        40,
        "A client that has said all and closes its side gets no answer: {}",
        "no answer after a half-close",
        ("09",),
        "a client that closes its sending side is answered",
    ),
    "http10": (
        38,
        "It does not do right by a client of HTTP/1.0: {}",
        "wrong answers to HTTP/1.0",
        ("13",),
        "HTTP/1.0 is answered as it should be",
    ),
}
SEE = {
    "head": "curl -I {url}",
    "expect": "curl -v -H 'Expect: 100-continue' -d 1234 {url}",
    "http10": "curl -v --http1.0 {url}",
    "body_unread": "head -c 1000000 /dev/zero | curl -v --data-binary @- {url}",
    "half_closed": "printf 'GET {path} HTTP/1.1\\r\\nHost: a\\r\\n"
    "Connection: close\\r\\n\\r\\n' | nc -N {host} {port}",
    "pipelined": "printf 'GET {path} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\nGET {path} "
    "HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' | nc {host} {port}",
}


def _protocol(seen: Observations, said: Verdict) -> None:
    protocol = seen.protocol
    if protocol is None:
        return
    rest = seen.url.partition("//")[2]
    authority, _, path = rest.partition("/")
    host, _, port = authority.partition(":")
    words = {"url": seen.url, "host": host, "port": port or "80", "path": f"/{path}"}
    for name, (weight, sentence, short, numbers, fine) in PROTOCOL.items():
        wrong = getattr(protocol, name)
        if wrong is None:
            continue
        if not wrong:
            said.ok(fine, "")
            continue
        see = SEE.get(name, "curl -v {url}").format(**words)
        said.findings.append(
            Finding(
                id=name.replace("_", "-"),
                weight=weight,
                sentence=sentence.format(wrong),
                short=short,
                figure="seen twice",
                sure="certain",
                see=see,
                chapters=_chapters(*numbers),
            )
        )


# --- The process ---------------------------------------------------------------------


def _process(seen: Observations, said: Verdict) -> None:
    process = seen.process
    if process is None:
        return
    if process.idle_cpu is not None and process.idle_cpu > 0.5:
        said.findings.append(
            _spinning(process.idle_cpu, "nobody asks for anything", 87, "spins")
        )
    elif process.idle_cpu is not None:
        said.ok("it sleeps while nothing happens", f"{process.idle_cpu:.1%} of a core")
    for held in seen.held:
        if held.stopped and held.cpu is not None and held.cpu > SPINS:
            many, _ = HOLDING[held.kind]
            said.findings.append(
                _spinning(
                    held.cpu,
                    f"{held.holders} clients {many} hold it up",
                    76,
                    "spins-while-held",
                )
            )
            break
    each = seen.crowd.bytes_each if seen.crowd else None
    if process.kept_bytes_each is not None or each is not None:
        parts = [
            f"{size / 1024:.1f} KB for {who}" if size > 512 else f"too little for {who}"
            for size, who in (
                (process.kept_bytes_each, "one that is kept"),
                (each, "one that says nothing"),
            )
            if size is not None
        ]
        said.ok("memory of a connection", ", ".join(parts))


def _spinning(cpu: float, when: str, weight: int, name: str) -> Finding:
    return Finding(
        id=name,
        weight=weight,
        sentence=f"It spins: while {when}, it keeps {cpu:.1f} of a core busy",
        short="a loop that spins while nothing happens",
        figure=f"{cpu:.2f} processor seconds a second",
        sure="certain",
        see="top -H -p PID",
        chapters=_chapters("04"),
    )


# --- Deadlines -----------------------------------------------------------------------

DAWDLING = {
    "silent": "a client that said nothing",
    "half": "one with half a head",
    "trickle": "one whose head came a byte a second",
    "body": "one with half a body",
    "kept": "one that had its answer and said no more",
    "unread": "one that read no answer",
}


def _is_ended(dawdler: Dawdler) -> bool:
    return dawdler.ended_s is not None and not dawdler.answered


def _never_ended(seen: Observations) -> list[str]:
    return [
        DAWDLING[each.kind]
        for each in seen.dawdlers
        if each.ended_s is None and not each.answered
    ]


def _deadlines(seen: Observations, said: Verdict) -> None:
    if not seen.dawdlers:
        return
    for each in seen.dawdlers:
        if _is_ended(each) and each.ended_s is not None:
            told = f", told {each.status}" if each.status else ""
            said.ok(
                f"it ends {DAWDLING[each.kind]}", f"after {each.ended_s:.1f} s{told}"
            )
    left = _never_ended(seen)
    if not left:
        return
    watched = min(each.watched_s for each in seen.dawdlers if each.ended_s is None)
    if watched >= LONG_WATCH_S:
        said.findings.append(
            Finding(
                id="no-deadline",
                weight=64,
                sentence=f"It waits for ever for whoever does not go on: in "
                f"{watched:.0f} s it did not end {_listed(left)}",
                short="no deadlines",
                figure=f"watched for {watched:.0f} s",
                sure="likely",
                see=f"python -m lab silent {seen.url} --connections 1 --half "
                f"--seconds {watched:.0f}",
                chapters=_chapters("11"),
            )
        )
        return
    said.open(
        f"whether it ever ends {_listed(left)}",
        f"watched for {watched:.0f} s only; many servers give a minute: --seconds 120",
    )


def _ending(seen: Observations, said: Verdict) -> None:
    ending = seen.ending
    if ending is None:
        return
    see = "kill PID, while curl waits for a slow page"
    if ending.answered < ending.in_flight:
        lost = ending.in_flight - ending.answered
        said.findings.append(
            Finding(
                id="lost-at-the-end",
                weight=57,
                sentence=f"At SIGTERM it drops what it is working on: {lost} of "
                f"{ending.in_flight} requests had no answer",
                short="requests that SIGTERM drops",
                figure=f"{ending.answered} of {ending.in_flight} answered",
                sure="certain",
                see=see,
                chapters=_chapters("12"),
            )
        )
    elif ending.in_flight:
        said.ok(
            "at SIGTERM it finishes what it is working on",
            f"{ending.answered} of {ending.in_flight} answered",
        )
    if ending.gone_s is None:
        said.findings.append(
            Finding(
                id="does-not-end",
                weight=56,
                sentence="SIGTERM does not end it",
                short="SIGTERM does not end it",
                figure="it was still there when the time was up",
                sure="certain",
                see=see,
                chapters=_chapters("12"),
            )
        )
    else:
        said.ok("SIGTERM ends it", f"after {ending.gone_s:.1f} s")
    said.ok(
        "its other clients at SIGTERM",
        f"{ending.idle_closed} of {ending.idle} idle connections came to a plain end; "
        f"one with half a request: {ending.half_sent}",
    )
