"""What the waits mean: between requests, and within an answer."""

from __future__ import annotations

import statistics

from lab.doctor import commands
from lab.doctor.finding import Finding, Verdict, chapters
from lab.doctor.observations import Observations, Split

#: A wait shorter than this is not told from work.
LEAST_WAIT_MS = 5.0
#: A body that is held back comes this much after its head: Linux waits for 40 ms.
LEAST_STALL_MS = 25.0
NO_TIMEOUT = "no wait for a timeout"
#: Processors that other programs may use before speed is no longer judged.
DISTURBED = 0.3
#: Segments of a small answer that are not the head and the body any more.
MANY_PIECES = 4


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
    if seen.mute:
        said.findings.append(
            Finding(
                id="mute",
                weight=118,
                sentence="It listens and answers nobody any more: it was looked at for "
                f"“{seen.mute}”",
                short="that it answers nobody any more",
                figure="asked three times, for more than 11 s together, when all other "
                "clients had gone",
                sure="certain",
                see=f"curl -m 10 {commands.url(seen)}",
                chapters=chapters("03", "12"),
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
                see=commands.probe(seen, 20, close=True),
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
    url = commands.url(seen)
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
            figure=f"{contact.closed} of {contact.connections} connections; "
            f"connecting is {contact.connect_ms:.2f} ms of {whole:.2f} ms here, where "
            "the way is short; over a network it is a whole round trip",
            sure="certain",
            see=f"curl -so /dev/null -o /dev/null -w '%{{num_connects}} ' {url} {url}",
            chapters=chapters("01", "02"),
        )
    )


def median(values: list[float]) -> float | None:
    return statistics.median(values) if len(values) >= 3 else None


def is_disturbed(seen: Observations) -> bool:
    return seen.others_cpu is not None and seen.others_cpu > DISTURBED


def disturbed(seen: Observations, figure: str) -> str:
    return f"other programs used {seen.others_cpu:.1f} processors meanwhile; {figure}"


def slow_first(seen: Observations, said: Verdict) -> None:
    """Whether a connection's first request takes much longer than those that follow."""
    split = seen.split
    if split is None or split.alone is None or len(split.first_ms) < 5:
        return
    process = seen.process
    if process and (process.idle_cpu or 0.0) + process.idle_waited > 0.5:
        return  # it spins, and so has used up its share when somebody comes
    later = median((split.quick or split.alone).latency_ms)
    # Nearly every one of them: what is busy makes some slow.
    ordered = sorted(split.first_ms)
    first = ordered[len(ordered) // 10]
    if later is None or first < LEAST_WAIT_MS or first < 4 * later:
        return
    figure = f"{first:.1f} to {ordered[-1]:.1f} ms for {len(ordered)} first requests"
    if is_disturbed(seen):
        # Each of them has threads to wake, who wait for a processor.
        said.open(
            "whether a connection's first request takes longer", disturbed(seen, figure)
        )
        return
    said.findings.append(
        Finding(
            id="slow-first",
            weight=79,
            sentence=f"The first request on a connection takes about {first:.0f} ms, "
            f"and each further one {later:.1f} ms: whoever comes has to wait, before "
            "the page is even asked for",
            short=f"{first:.0f} ms for whoever connects",
            figure=f"{figure}; if it does that for one connection after the other, it "
            "is the limit of how many can come",
            sure="certain" if seen.others_cpu is not None else "likely",
            see=commands.probe(seen, 5),
            chapters=chapters("08", "10"),
        )
    )


def least_ms(split: Split | None) -> float:
    """How long nearly every request took at least until its head was there, one client
    alone. What is busy makes some slow, and not nearly all. 0: too few were seen."""
    looks = [each for each in (split.alone, split.quick) if each] if split else []
    heads = sorted(ms for times in looks for ms in times.head_ms)
    return heads[len(heads) // 10] if len(heads) >= 5 else 0.0


def stall_ms(split: Split) -> float | None:
    """How long a body is held back until its head is acknowledged; None: it is not."""
    if split.alone is None:
        return None
    gap = median(split.alone.gap_ms)
    if gap is None or gap < LEAST_STALL_MS:
        return None
    if split.quick is not None:
        quick = median(split.quick.gap_ms)
        # It is the acknowledgement that the rest waits for: it comes when that does.
        return gap if quick is not None and quick < gap / 3 else None
    # Without that proof: it is the wait of every request but a connection's first.
    first = median(split.first_ms)
    return gap if first is not None and first < gap / 3 else None


def timeout_ms(split: Split) -> float | None:
    """How long a request waits for a timeout that others end early; None: it does not.

    What is compared are the heads: a body that is held back is another thing.
    """
    if split.alone is None or split.beside is None:
        return None
    quiet = split.quick or split.alone
    alone, beside = median(quiet.head_ms), median(split.beside.head_ms)
    if alone is None or beside is None or alone < LEAST_WAIT_MS:
        return None
    # Nearly all wait, and as long as each other; what noise makes slow, it makes slow
    # by one time and another, and now and then not at all.
    ordered = sorted(quiet.head_ms)
    if ordered[len(ordered) // 8] < alone * 0.7:
        return None
    return alone if beside < alone * 0.6 and beside < alone - 3 else None


def timeout_of(seen: Observations) -> float | None:
    """The same, if a client alone saw it under load as well: a moment in which the
    machine had no time for us makes all of a few requests slow."""
    timeout = timeout_ms(seen.split) if seen.split else None
    one = seen.point(1)
    return None if timeout and one and one.p50_ms < timeout / 2 else timeout


def waiting(seen: Observations, said: Verdict) -> None:
    split = seen.split
    if split is None:
        return
    stall, timeout = stall_ms(split), timeout_of(seen)
    head_and_body = split.alone is None or split.alone.cut_after_head * 2 >= len(
        split.alone.gap_ms
    )
    growth = _flat(seen)
    if timeout is not None:
        assert split.beside is not None
        beside = median(split.beside.head_ms)
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
                see=commands.probe(seen, 5),
                chapters=chapters("03", "05"),
            )
        )
    if stall is not None:
        quick = (
            f"; {median(split.quick.gap_ms):.1f} ms later if the client's kernel "
            "acknowledges at once"
            if split.quick is not None
            else ""
        )
        paused = (
            f"; {median(split.paused.gap_ms):.1f} ms later if the client pauses for "
            "50 ms before it asks"
            if split.paused and len(split.paused.gap_ms) >= 3
            else ""
        )
        said.findings.append(
            Finding(
                id="stall",
                # The longer wait comes first.
                weight=101 if timeout and stall > timeout else 95,
                sentence="It writes the head and the body of a response separately, "
                f"and the kernel holds the body back for about {stall:.0f} ms, until "
                "the client's kernel has acknowledged the head"
                if head_and_body
                else "It writes a response in several small pieces, and the kernel "
                f"holds the later ones back for about {stall:.0f} ms, until the "
                "client's kernel has acknowledged the first",
                short=f"two writes for one response, of which the second is held back "
                f"for {stall:.0f} ms"
                if head_and_body
                else "several writes for one response, of which the later are held "
                f"back for {stall:.0f} ms",
                figure=f"the last bytes come {stall:.0f} ms after the first, from a "
                f"connection's second request on{quick}{paused}"
                f"{'' if timeout else growth}",
                sure="certain" if split.quick is not None else "likely",
                see=commands.probe(seen, 5),
                chapters=chapters("06", "07"),
            )
        )
    if stall is None:
        _two_writes(seen, split, said)
        _posts(seen, split, said)
    if stall is None and timeout is None and split.alone is not None:
        alone = median(split.alone.latency_ms)
        if alone is not None:
            said.ok(NO_TIMEOUT, f"{alone:.2f} ms a request, alone")


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
            said.ok("head and body are sent together", f"they arrive {segments}")
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
                see=commands.writes(seen),
                chapters=chapters("07"),
            )
        )
        return
    if split.alone is not None:
        said.ok(
            "a response comes in two writes, and nothing holds the second back",
            f"{count} an answer: TCP_NODELAY is set, or something like it",
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
            see=commands.writes(seen),
            chapters=chapters("06", "07"),
        )
    )


def _posts(seen: Observations, split: Split, said: Verdict) -> None:
    """Answers to a POST that are held back where those to a GET are not."""
    if split.posted is None or split.posted_quick is None:
        return
    gap, quick = median(split.posted.gap_ms), median(split.posted_quick.gap_ms)
    if gap is None or quick is None or gap < LEAST_STALL_MS or quick > gap / 3:
        return
    page = commands.url(seen)
    said.findings.append(
        Finding(
            id="stall-post",
            weight=89,
            sentence="It writes the answer to a POST in several pieces, and the kernel "
            f"holds the later ones back for about {gap:.0f} ms, until the client's "
            "kernel has acknowledged the first; with GET it does not",
            short=f"answers to POST that are held back for {gap:.0f} ms",
            figure=f"the last bytes come {gap:.0f} ms after the first; {quick:.1f} ms "
            "if the client acknowledges at once",
            sure="certain",
            see=f"curl -sS -w '%{{time_total}}\\n' -d 1234 {page} {page}",
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
    pairs += " clients"
    rates = ", ".join(f"{p.rate:,.0f}" for p in points)
    return f"; under load a request takes {pairs}: {rates} requests a second"
