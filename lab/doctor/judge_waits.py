"""What the waits and the rates mean."""

from __future__ import annotations

import statistics

from lab.doctor.finding import Finding, Verdict, chapters
from lab.doctor.observations import Observations, Point, Split

#: A wait shorter than this is not told from work.
LEAST_WAIT_MS = 5.0
#: A body that is held back comes this much after its head: Linux waits for 40 ms.
LEAST_STALL_MS = 25.0
#: Segments of a small answer that are not the head and the body any more.
MANY_PIECES = 4
#: A rate that is so many times another is more, and no chance.
MORE = 1.5
#: Processors that a server with one busy thread uses, or wants.
SATURATED = 0.75
#: Processors that other programs may use before speed is no longer judged.
DISTURBED = 0.3


def gone(seen: Observations, said: Verdict) -> None:
    if seen.died:
        said.findings.append(
            Finding(
                id="died",
                weight=120,
                sentence=f"It died, and nothing listens any more: it was looked at for "
                f"“{seen.died}”",
                short="its end",
                figure="connections were refused, and half a second later again",
                sure="certain",
                see="what it has printed, and its exit status",
                chapters=chapters("12"),
            )
        )
    contact = seen.contact
    if contact and contact.failed:
        said.findings.append(
            Finding(
                id="lost-answers",
                weight=91,
                sentence=f"{contact.failed} of {contact.failed + contact.connections} "
                "first requests had no right answer",
                short="answers that do not come",
                figure="one client, one request at a time",
                sure="certain",
                see=f"python -m lab probe {seen.url} --requests 20 --close",
                chapters=chapters("09"),
            )
        )


def closing(seen: Observations, said: Verdict) -> None:
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
    unsaid = contact.unannounced == contact.closed
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
            weight=91 if unsaid else 80,
            sentence="It closes the connection after each response and does not say "
            "so: a client that sends its next request meets a closed connection"
            if unsaid
            else "It closes the connection after each response, though the client "
            "asks to keep it, so that every request pays for a connection",
            short="a new connection for each request",
            figure=f"{contact.closed} of {contact.connections} connections{rate}; "
            f"connecting is {contact.connect_ms:.2f} ms of {whole:.2f} ms here, where "
            "the way is short; over a network it is a whole round trip",
            sure="certain",
            see=f"curl -v {seen.url} {seen.url} 2>&1 | grep -ic 'closing connection'",
            chapters=chapters("01", "02"),
        )
    )


def _point(seen: Observations, connections: int) -> Point | None:
    for point in seen.growth:
        if point.connections == connections and point.requests:
            return point
    return None


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


def waiting(seen: Observations, said: Verdict) -> None:
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
                chapters=chapters("03", "05"),
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
                chapters=chapters("06", "07"),
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
    if split.segments and split.segments >= MANY_PIECES:
        said.findings.append(
            Finding(
                id="many-writes",
                weight=44,
                sentence="It sends a response in many small pieces, each of which is "
                "a system call and a packet of its own",
                short="a response in many small pieces",
                figure=f"{count} for {_bytes(seen):,} bytes",
                sure="certain",
                see="strace -f -e trace=network,write,writev -p PID",
                chapters=chapters("07"),
            )
        )
        return
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
            chapters=chapters("06", "07"),
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


def unexplained(seen: Observations, point: Point) -> dict[str, int]:
    """A load's errors, without those of a server that closes and does not say so."""
    contact = seen.contact
    if contact and contact.closed and contact.unannounced == contact.closed:
        kinds = ("closed", "reset")
        return {kind: n for kind, n in point.errors.items() if kind not in kinds}
    return point.errors


def growing(seen: Observations, said: Verdict) -> None:
    one, some, many = (_point(seen, count) for count in (1, 10, 100))
    for point in seen.growth:
        errors = unexplained(seen, point)
        if seen.protocol and seen.protocol.length:
            # That is the cause, and has a finding of its own.
            told = ("malformed", "timeout", "short answer")
            errors = {kind: n for kind, n in errors.items() if kind not in told}
        if point.overflows:
            # They are late, and not lost: the kernel has no room for them.
            late = ("timeout", "connect timeout")
            if any(kind in errors for kind in late) and _backlog(seen, point, said):
                errors = {kind: n for kind, n in errors.items() if kind not in late}
        if is_unfair(seen, point):
            errors = {kind: n for kind, n in errors.items() if kind != "timeout"}
        wrong = sum(errors.values())
        only_late = set(errors) == {"timeout"}
        if wrong > max(3, 0.01 * (point.requests + wrong)):
            clients = f"{point.connections} client{'s' * (point.connections > 1)}"
            kinds = ", ".join(f"{kind} {n:,}" for kind, n in errors.items())
            said.findings.append(
                Finding(
                    id="errors",
                    weight=90,
                    sentence=f"With {clients}, requests "
                    f"{'take more than 5 s' if only_late else 'fail'}: {wrong:,} of "
                    f"{point.requests + wrong:,}",
                    short=f"requests that fail with {clients}",
                    figure=kinds,
                    sure="likely" if only_late else "certain",
                    see=f"python -m lab load {seen.url} "
                    f"--connections {point.connections} --seconds 3",
                    chapters=chapters("03", "04"),
                )
            )
            break
    if one is None or some is None or many is None:
        if seen.growth:
            said.open("how it grows with clients", "a load brought no answers")
        return
    if is_unfair(seen, many):
        said.findings.append(
            Finding(
                id="unfair",
                weight=63,
                sentence=f"With 100 clients it is unfair: about {many.starved:.0f} of "
                "them wait outside while it answers the same few again and again",
                short="clients that wait while others are answered again and again",
                figure=f"{many.rate:,.0f} requests a second at {many.p50_ms:.2f} ms "
                f"are {many.connections - many.starved:.0f} clients' (Little's law); "
                + (
                    "others waited for more than 5 s"
                    if "timeout" in many.errors
                    else f"the longest waited {many.max_ms:,.0f} ms"
                ),
                sure="likely",
                see=f"python -m lab load {seen.url} --connections 100 --seconds 3",
                chapters=chapters("10", "12"),
            )
        )
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
                chapters=chapters("03"),
            )
        )
    elif collapses(some, many) and is_disturbed(seen):
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
                chapters=chapters("02", "08"),
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
                    chapters=chapters("02", "10"),
                )
            )
            return
        _saturated(seen, many, growth, said)
    elif many.rate > MORE * one.rate:
        said.ok("more clients are answered more", growth)
    else:
        said.ok("it does not break down under many clients", growth)


def _backlog(seen: Observations, point: Point, said: Verdict) -> bool:
    """Whether it is a short backlog that makes them late."""
    if any(each.id == "backlog" for each in said.findings):
        return True
    backlog = seen.process.backlog if seen.process else None
    if backlog is not None and backlog >= point.connections:
        return False  # it was another server's queue that overflowed
    room = (
        f"The kernel holds no more than {backlog + 1} connections for it"
        if backlog is not None
        else "The kernel has little room for connections"
    )
    late = point.errors.get("timeout", 0) + point.errors.get("connect timeout", 0)
    said.findings.append(
        Finding(
            id="backlog",
            weight=67,
            sentence=f"{room} that wait to be accepted: with {point.connections} "
            "clients, whoever comes when there is no room waits for a second or more",
            short="a short backlog, so that some connections take seconds",
            figure=f"with {point.connections} clients listen queues overflowed "
            f"{point.overflows:,} times in this system, and {late:,} requests took "
            "more than 5 s",
            # The kernel counts for all of its listeners together.
            sure="certain" if backlog is not None and point.queue_full else "likely",
            see=f"ss -ltn 'sport = :{_port(seen)}' (Send-Q), "
            "nstat -az TcpExtListenOverflows",
            chapters=chapters("12"),
        )
    )
    return True


def _port(seen: Observations) -> str:
    authority = seen.url.partition("//")[2].partition("/")[0]
    return authority.rpartition(":")[2]


def _saturated(seen: Observations, many: Point, growth: str, said: Verdict) -> None:
    """The rate is level and the latency grows: requests queue. For what?"""
    if many.cpu is None:
        said.ok("it works rather than waits, it seems: requests queue", growth)
        return
    used = f"{growth}; the server used {many.cpu:.1f} processors"
    wanted = many.cpu
    if many.waited is not None and many.waited > 0.05:
        wanted += many.waited
        used += f", and {many.waited:.1f} more of its threads waited for one"
    if wanted >= SATURATED:
        said.ok("it works rather than waits: requests queue for a processor", used)
    else:
        said.open(
            "what requests queue for when there are many clients",
            f"{used}: the machine was busy, or the client was the limit, or it waits",
        )


def is_unfair(seen: Observations, point: Point) -> bool:
    """Most clients wait for very long, in each look, while few are answered quickly.

    Where each answer ends a connection it is not the same few.
    """
    contact = seen.contact
    if contact and contact.closed == contact.connections:
        return False
    most = point.connections >= 10 and point.starved > point.connections / 2
    late = "timeout" in point.errors or point.max_ms > 20 * point.p50_ms
    return most and late


def collapses(some: Point, many: Point) -> bool:
    """Less than half the rate with many, in each of the looks and without a doubt."""
    return not many.client_bound and max(many.rates) < min(some.rates) / 2


def is_disturbed(seen: Observations) -> bool:
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
