"""What those mean who hold a connection, a crowd of them, and a slow request."""

from __future__ import annotations

from lab.doctor import commands
from lab.doctor.finding import Finding, Verdict, chapters
from lab.doctor.judge_waits import is_disturbed
from lab.doctor.observations import Crowd, Held, Observations, Slow
from lab.doctor.plan import CROWD

#: The descriptors that `select()` can watch.
FD_SETSIZE = 1024
#: A request takes so many times as long beside a crowd that costs something.
CROWD_COSTS = 2.0

ENDED = {"late": "not answered", "": "not answered"}
HOLDING = {
    "silent": ("that connect and say nothing", "that connects and says nothing"),
    "half": ("that have sent half a request", "that has sent half a request"),
    "body": ("that have sent half a body", "that has sent half a body"),
    "unread": ("that do not read their answers", "that does not read its answers"),
}
REST = HOLDING | {"ended": ("that have ended their side", "that has ended its side")}


def holding(seen: Observations, said: Verdict) -> None:
    # Who is stopped by silence is stopped by half a request as well.
    told: set[int] = set()
    for kind in ("silent", "half", "body", "unread"):
        tries = [held for held in seen.held if held.kind == kind]
        if not tries:
            continue
        last = tries[-1]
        many, one = HOLDING[kind]
        if not last.stopped and last.open == 0:
            said.open(f"what clients {many} do", "the server had ended all of them")
            continue
        if not last.stopped:
            said.ok(
                f"{last.holders} clients {many} stop nobody",
                f"one more client is answered after {last.answered_ms:.1f} ms"
                + ("; the kernel keeps them from it, for a while" * last.deferred),
            )
            continue
        if last.busy:
            said.open(
                f"whether {_clients(last, many, one)} can stop it",
                "it was still at work on what they had asked for, or starting workers",
            )
            continue
        if not is_confirmed(last):
            said.open(
                f"whether {_clients(last, many, one)} can stop it",
                "one more client waited once, and not the next time"
                if last.limit is not None
                else "one more client was not answered, not even when they had left",
            )
            continue
        fewer = max((held.holders for held in tries if not held.stopped), default=0)
        assert last.limit is not None
        if last.limit <= fewer:
            # It was answered late, at about the time at which the last of them left.
            said.open(
                f"whether {_clients(last, many, one)} can stop it",
                f"one more was answered only when all but {last.limit - 1} had left, "
                f"and yet beside {fewer} of them at once: so it may have been at work",
            )
            continue
        if last.limit in told and kind != "unread":
            continue
        told.add(last.limit)
        said.findings.append(_stopped(seen, last, many, one))


def is_confirmed(held: Held) -> bool:
    """Whether they stopped it twice, and it was answered when some of them had left."""
    return held.again[0] >= held.again[1] > 0 and held.limit is not None


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
        figure=f"with {last.holders} of them connected, one more client "
        f"{'was ' + last.ended if last.ended.startswith('told') else 'had no answer'} "
        f"until {'it' if last.holders == 1 else gone} had left; the same when tried "
        "again",
        # Where nobody sees whether it works, it may have been at work all that time.
        sure="likely" if unread and seen.process is None else "certain",
        see=commands.beside(
            commands.hold(seen, last.kind, limit), commands.probe(seen)
        ),
        chapters=chapters("09", "08")
        if unread
        else chapters("01" if limit == 1 else "02"),
    )


def crowd_ratio(crowd: Crowd) -> float | None:
    """How many times as long a request takes beside a crowd; None: it cannot be told.

    The quickest look beside the crowd against the slowest without it.
    """
    if not crowd.without_ms or not crowd.beside_ms:
        return None
    return min(crowd.beside_ms) / max(crowd.without_ms)


def crowding(seen: Observations, said: Verdict) -> None:
    crowd = seen.crowd
    if crowd is None:
        return
    if crowd.opened == 0 and crowd.note:
        said.open("what a crowd of silent clients does", crowd.note)
        return
    selects = _selects(seen)
    stopped_nobody = [
        held.holders for held in seen.held if held.kind == "silent" and not held.stopped
    ]
    if crowd.limit is not None and crowd.limit <= max(stopped_nobody, default=0):
        said.open(
            "where its limit of connections is",
            f"of {crowd.opened:,} the server had {crowd.limit:,}, though more than "
            "that stopped nobody: the others waited, or were turned away",
        )
    elif crowd.answered_ms is None and crowd.limit is not None:
        limit = crowd.limit
        about = "" if crowd.counted else "About "
        close = 0.95 * FD_SETSIZE < limit <= FD_SETSIZE
        process = seen.process
        descriptors = process.descriptors if process else None
        few = descriptors is not None and limit > 0.9 * descriptors
        epoll = process is not None and process.waits_with == "epoll"
        # A limit of 1,000 is a choice; what select() limits is a descriptor's number.
        chosen = (
            crowd.highest < FD_SETSIZE - 8
            if crowd.highest is not None
            else limit % 100 == 0
        )
        is_select = close and not few and not epoll and not chosen
        if few:
            why = f"its limit of descriptors, {descriptors} (ulimit -n)"
        elif is_select:
            why = "the 1,024 descriptors that select() can watch"
            if not selects:
                why += ", or a limit of as many descriptors (ulimit -n)"
        else:
            why = "a limit of connections, or of whatever each of them holds"
        said.findings.append(
            Finding(
                id="select" if is_select else "connection-limit",
                # A limit of many is a choice; one of few is easily filled.
                weight=78 if is_select else 66 if limit < 256 else 45,
                sentence=f"{about}{limit:,} connections that say nothing shut "
                f"everybody else out: {why}",
                short="select(), which can watch no more than 1,024 descriptors"
                if is_select
                else f"a limit of {about.lower()}{limit:,} connections, which silence "
                "can fill",
                figure=f"beside {crowd.opened:,} silent connections one more was "
                f"{ENDED.get(crowd.ended, crowd.ended)}; "
                + (
                    f"the server had {limit:,} of them"
                    if crowd.counted
                    else f"beside {limit:,} it was answered"
                ),
                sure="certain" if selects or not is_select else "likely",
                see=commands.beside(
                    commands.hold(seen, "silent", CROWD), commands.probe(seen)
                ),
                chapters=chapters("07" if is_select else "12"),
            )
        )
    elif crowd.answered_ms is None and crowd.recovered is not False:
        said.open(
            "where its limit of connections is",
            f"beside {crowd.opened:,} silent ones nobody was answered",
        )
    elif crowd.answered_ms is not None:
        said.ok(
            f"{crowd.opened:,} connections that say nothing shut nobody out",
            f"one more client is answered after {crowd.answered_ms:.1f} ms",
        )
    if crowd.recovered is False and not seen.died:
        said.findings.append(
            Finding(
                id="never-recovers",
                weight=93,
                sentence=f"{crowd.opened:,} connections that say nothing stop it for "
                "good, or for long: when all of them have gone, it answers nobody",
                short="a crowd after which it never answers again",
                figure="asked five times, within more than 12 s after they had gone",
                sure="certain",
                see=f"{commands.hold(seen, 'silent', CROWD, 3)}; "
                f"{commands.probe(seen)}",
                chapters=chapters("07", "12"),
            )
        )
    _crowd_cost(seen, crowd, said)


def _selects(seen: Observations) -> bool:
    """Whether we know that it watches without epoll."""
    process = seen.process
    return process is not None and process.waits_with == "no epoll"


def _where_the_rest_is(processor_us: float, answer_us: float) -> str:
    """Half a sentence where the time of an answer and the processor's are far apart."""
    if processor_us > 1.1 * answer_us:
        return ", some of it when the answer has gone"
    if processor_us < answer_us / 2:
        return ", and the rest of the time it waits"
    return ""


def _crowd_cost(seen: Observations, crowd: Crowd, said: Verdict) -> None:
    ratio = crowd_ratio(crowd)
    if ratio is None:
        return
    # What is compared: the slowest look without them, the quickest beside them.
    without, beside = max(crowd.without_ms), min(crowd.beside_ms)
    times = f"{without:.2f} ms a request without them, {beside:.2f} ms beside them"
    cpu = ""
    if crowd.cpu_without_us and crowd.cpu_beside_us:
        cpu = (
            f"; the processor works for it {crowd.cpu_without_us:.0f} µs and "
            f"{crowd.cpu_beside_us:.0f} µs"
            f"{_where_the_rest_is(crowd.cpu_beside_us, 1e3 * beside)}"
        )
        # The processor's time is not another program's doing: it has to agree.
        # But on a busy machine threads are woken at twice the cost, now and then.
        least = CROWD_COSTS * (2 if is_disturbed(seen) else 1)
        costs = crowd.cpu_beside_us > least * crowd.cpu_without_us
    else:
        costs = not is_disturbed(seen)
    if ratio > CROWD_COSTS and not costs:
        said.open("whether silent clients cost others anything", times + cpu)
    elif ratio > CROWD_COSTS and beside - without > 0.03:
        said.findings.append(
            Finding(
                id="crowd-cost",
                weight=62,
                sentence=f"Beside {crowd.part} connections that say nothing, another "
                f"client's request takes at least {ratio:.1f} times as long",
                short="a cost that grows with connections that say nothing",
                figure=times + cpu,
                sure="certain" if cpu else "likely",
                see=commands.beside(
                    commands.hold(seen, "silent", crowd.part), commands.load(seen, 1)
                ),
                chapters=chapters("07", "08"),
            )
        )
    else:
        much = "little" if ratio > 1.3 else "nothing"
        said.ok(f"{crowd.part} silent connections cost others {much}", times + cpu)


def slow(seen: Observations, said: Verdict) -> None:
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
                # Another Python would take a while to start, and miss it.
                see=f"curl -so /dev/null {commands.url(seen, slow.path)} & sleep 0.1; "
                f"curl -so /dev/null -w '%{{time_total}}\\n' {commands.url(seen)}",
                chapters=chapters("08", "10"),
            )
        )
        return
    if not slow.at_once:
        return
    if slow.together_ms and slow.takes_ms > 1.5 * slow.together_ms:
        said.open("whether a slow request stops others", f"{slow.path} is not slow")
        return
    said.ok("a slow request does not stop others", _at_once(slow))


def _at_once(slow: Slow) -> str:
    """Where others are answered beside all of them, nobody knows how many it could be:
    they may have taken long for want of room to connect."""
    if slow.several and not slow.several.stopped:
        return f"{slow.at_once} at once: others are answered meanwhile"
    return (
        f"of {slow.at_once} at once, it works on about {slow.works_on} at a time; "
        "meanwhile others wait as well"
    )
