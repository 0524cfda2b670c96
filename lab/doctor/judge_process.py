"""What the process, its deadlines and its end mean."""

from __future__ import annotations

from lab.doctor import commands
from lab.doctor.finding import Finding, Verdict, chapters, listed
from lab.doctor.judge_holders import HOLDING, REST, is_confirmed
from lab.doctor.observations import Dawdler, Observations, Process
from lab.doctor.plan import ENDING_S

#: Clients that do not go on were watched long enough to say that there is no deadline:
#: longer than the minute that most servers give.
LONG_WATCH_S = 80.0
#: A server that is stopped sleeps; one that uses so many processors does not.
SPINS = 0.2
#: Who sleeps uses less, with a timer of its own and a look of half a second.
RESTLESS = 0.1
#: So many more than at rest, beside clients who do nothing.
SPINS_BESIDE = 0.5
#: Bytes of a connection that are much: a thread's stack and two buffers are less.
MUCH_MEMORY = 300_000
#: Descriptors that nobody has open by chance.
MANY_FILES = 100


def process(seen: Observations, said: Verdict) -> None:
    process = seen.process
    if process is None:
        return
    idle_wants = (process.idle_cpu or 0.0) + process.idle_waited
    if process.idle_cpu is not None and idle_wants > 0.5 and process.idle_cpu > 0.05:
        said.findings.append(
            _spinning(seen, "nobody asks for anything", _wants(idle_wants), 87, "spins")
        )
    elif process.idle_cpu is not None and process.idle_cpu > RESTLESS:
        said.open(
            "whether it sleeps while nothing happens",
            f"it used {process.idle_cpu:.0%} of a core, with nobody there",
        )
    elif process.idle_cpu is not None:
        said.ok("it sleeps while nothing happens", f"{process.idle_cpu:.1%} of a core")
    for held in seen.held:
        # Who asks for much and reads nothing may give it honest work for a while.
        if held.kind == "unread" or not held.stopped or held.cpu is None:
            continue
        if not is_confirmed(held):
            continue  # it was not they who stopped it: it was at work on something
        if held.cpu > SPINS:
            many, _ = HOLDING[held.kind]
            said.findings.append(
                _spinning(
                    seen,
                    f"{held.holders} clients {many} hold it up",
                    f"it used {held.cpu:.2f} s of processor time in each second",
                    76,
                    "spins-while-held",
                )
            )
            break
    else:
        _spinning_beside(seen, idle_wants, said)
    _files_left_open(seen, process, said)
    each = seen.crowd.bytes_each if seen.crowd else None
    if process.kept_bytes_each is not None or each is not None:
        parts = [
            f"{size / 1024:.1f} KB for {who}"
            if size > 512
            else f"too little to see for {who}"
            for size, who in (
                (process.kept_bytes_each, "one that is kept"),
                (each, "one that says nothing"),
            )
            if size is not None
        ]
        most = max(process.kept_bytes_each or 0.0, each or 0.0)
        if most > MUCH_MEMORY:
            said.findings.append(
                Finding(
                    id="memory",
                    weight=54,
                    sentence=f"Each connection takes about {most / 2**20:.1f} MB of "
                    f"memory: a thousand of them take {most * 1e3 / 2**30:.1f} GB",
                    short=f"{most / 2**20:.1f} MB of memory for each connection",
                    figure=", ".join(parts),
                    sure="certain",
                    see=commands.beside(
                        commands.hold(seen, "silent", 100),
                        f"grep VmRSS /proc/{commands.pid(seen)}/status",
                    ),
                    chapters=chapters("08"),
                )
            )
        else:
            said.ok("memory for a connection", ", ".join(parts))


def _spinning_beside(seen: Observations, idle_wants: float, said: Verdict) -> None:
    """It rests, but not beside clients of some kind, though they do nothing."""
    costs_s = [
        point.cpu / point.rate for point in seen.growth if point.cpu and point.rate
    ]
    for held in seen.held:
        spins = held.rest_cpu or 0.0
        # Far more than what they have asked for can be: nothing comes of it. (Who spins
        # at rest as well has that as a finding.)
        rests = idle_wants <= 1 - SPINS_BESIDE
        if rests and costs_s and held.worked_s > 1 + 5 * held.asked * max(costs_s):
            figure = (
                f"it worked for {held.worked_s:.1f} s, or waited for a processor, on "
                f"{held.asked:,} requests, each of which needs {max(costs_s) * 1e3:.2f}"
                " ms at most"
            )
        elif spins >= idle_wants + SPINS_BESIDE:
            figure = _wants(spins)
        else:
            continue
        many, one = REST[held.kind]
        said.findings.append(
            _spinning(
                seen,
                f"one client {one} does nothing"
                if held.holders == 1
                else f"{held.holders} clients {many} do nothing",
                figure,
                82,
                "spins-beside",
            )
        )
        return


def _files_left_open(seen: Observations, process: Process, said: Verdict) -> None:
    before, after = process.open_before, process.open_after
    if before is None or after is None:
        return
    if after - before < MANY_FILES:
        said.ok(
            "it closes what it has opened",
            f"{before:,} descriptors at rest before, {after:,} afterwards",
        )
        return
    limit = (
        f"; it may open {process.descriptors:,} (ulimit -n)"
        if process.descriptors
        else ""
    )
    said.findings.append(
        Finding(
            id="descriptors",
            weight=86,
            sentence=f"It does not give descriptors back: it had {before:,} open at "
            f"rest, and {after:,} when all clients had gone",
            short="descriptors that are not given back",
            figure=f"counted again for 3 s after the last had gone{limit}",
            sure="certain",
            see=f"ls -l /proc/{commands.pid(seen)}/fd | tail",
            chapters=chapters("12"),
        )
    )


def _wants(cpu: float) -> str:
    return f"it used, or waited for, {cpu:.2f} s of processor time in each second"


def _spinning(
    seen: Observations, when: str, figure: str, weight: int, name: str
) -> Finding:
    return Finding(
        id=name,
        weight=weight,
        sentence=f"It spins: while {when}, it keeps a processor busy",
        short="a loop that spins while nothing happens",
        figure=figure,
        sure="certain",
        see=f"top -H -p {commands.pid(seen)}",
        chapters=chapters("04"),
    )


DAWDLING = {
    "silent": "a client that said nothing",
    "half": "one with half a head",
    "trickle": "one whose head came a byte a second",
    "body": "one with half a body",
    "kept": "one that had its answer and said no more",
    "unread": "one that read no answer",
}


def is_ended(dawdler: Dawdler) -> bool:
    return dawdler.ended_s is not None and not dawdler.answered


def never_ended(seen: Observations) -> list[Dawdler]:
    """Those whom it let wait. Who was answered at once was not waited for."""
    return [
        each for each in seen.dawdlers if each.ended_s is None and not each.answered
    ]


def named(dawdlers: list[Dawdler]) -> str:
    return listed(DAWDLING[each.kind] for each in dawdlers)


def watched_long(dawdlers: list[Dawdler]) -> list[Dawdler]:
    """Without those that came late, and of whom little can be said."""
    longest = max(each.watched_s for each in dawdlers)
    return [each for each in dawdlers if each.watched_s >= longest / 2]


def _plainest(dawdlers: list[Dawdler]) -> str:
    """The kind of which a command shows most plainly that it is not ended."""
    kinds = {each.kind for each in dawdlers}
    for kind in ("half", "silent", "kept", "body", "unread"):
        if kind in kinds:
            return kind
    return "half"


def none_ended_within(seen: Observations) -> float:
    """For how many seconds clients were watched of whom it ended none; 0: it did."""
    left = never_ended(seen)
    if not left or any(is_ended(each) for each in seen.dawdlers):
        return 0.0
    return min(each.watched_s for each in watched_long(left))


def deadlines(seen: Observations, said: Verdict) -> None:
    if not seen.dawdlers or seen.died:
        return
    for each in seen.dawdlers:
        if is_ended(each) and each.ended_s is not None:
            told = f", told {each.status}" if each.status else ""
            if each.crowded_out:
                told += ", beside the crowd: perhaps to make room for that"
            said.ok(
                f"it closes the connection of {DAWDLING[each.kind]}",
                f"after {each.ended_s:.1f} s{told}",
            )
    _rearmed(seen, said)
    left = never_ended(seen)
    if not left:
        return
    long = watched_long(left)
    watched = min(each.watched_s for each in long)
    if watched >= LONG_WATCH_S:
        said.findings.append(
            Finding(
                id="no-deadline",
                weight=64,
                sentence=(
                    "It waits for ever, or very long, for a client that stops half-way"
                    if not any(map(is_ended, seen.dawdlers))
                    else "It closes the connections of some clients that stop "
                    "half-way, and for others it waits for ever, or very long"
                )
                + f": in {watched:.0f} s it did not close the connection of "
                f"{named(long)}",
                short="no deadlines"
                if not any(map(is_ended, seen.dawdlers))
                else "no deadline for some clients",
                figure=f"watched for {watched:.0f} s",
                sure="likely",
                see=commands.hold(seen, _plainest(long), 1, watched),
                chapters=chapters("11"),
            )
        )
        left = [each for each in left if each not in long]
    if not left:
        return
    least, most = (f(each.watched_s for each in left) for f in (min, max))
    watched_for = f"{least:.0f}"
    if most - least >= 1.5:
        watched_for += f" to {most:.0f}"
    if least < 1:
        watched_for = f"at most {most:.0f}"
    why = f"watched for {watched_for} s only" if most >= 1 else "no time to watch"
    said.open(
        f"whether it ever closes the connection of {named(left)}",
        f"{why}, and many servers wait for a minute; --seconds 120 sees that",
    )


#: What became of a client that sent half a request before the signal, half after it.
HALF_SENT = {
    "answered": "was answered",
    "closed": "was closed without an answer",
    "reset": "was reset",
    "late": "had no answer within 2 s",
    "malformed": "had an answer that is no HTTP",
}


def _rearmed(seen: Observations, said: Verdict) -> None:
    """A deadline for whoever stops, and none for whoever sends a byte now and then."""
    of = {each.kind: each for each in seen.dawdlers}
    half, trickle = of.get("half"), of.get("trickle")
    if half is None or trickle is None or half.ended_s is None or not is_ended(half):
        return
    long = trickle.watched_s > 2 * half.ended_s + 3
    if trickle.ended_s is not None or trickle.answered or not long:
        return
    said.findings.append(
        Finding(
            id="rearmed",
            weight=53,
            sentence=f"It ends a client that stops in the middle of a head after "
            f"{half.ended_s:.0f} s, but one that sends a byte a second it lets go on "
            f"for {trickle.watched_s:.0f} s and more",
            short="a deadline that each byte puts off",
            figure=f"half a head: ended after {half.ended_s:.1f} s; a byte a second: "
            f"still there after {trickle.watched_s:.0f} s",
            sure="likely",
            see="(printf 'GET / HTTP/1.1\\r\\nX: '; while sleep 1; do printf y; done) "
            f"| nc {commands.address(seen)}",
            chapters=chapters("11"),
        )
    )


def ending(seen: Observations, said: Verdict) -> None:
    ending = seen.ending
    if ending is None:
        return
    slow = seen.slow.path if seen.slow else "A-SLOW-PAGE"
    see = f"curl -v {commands.url(seen, slow)} & sleep 0.1; kill PID"
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
                chapters=chapters("12"),
            )
        )
    elif not ending.in_flight:
        said.open(
            "what SIGTERM does to requests that are being answered",
            "none took long enough to be met by it: name a slow page with --slow-path",
        )
    else:
        said.ok(
            "at SIGTERM it finishes what it is working on",
            f"{ending.answered} of {ending.in_flight} answered",
        )
    if ending.gone_s is None:
        said.findings.append(
            Finding(
                id="does-not-end",
                weight=56,
                sentence=f"SIGTERM does not end it within {ENDING_S:g} s",
                short=f"SIGTERM does not end it within {ENDING_S:g} s",
                figure=f"it was still there {ENDING_S:g} s later, with clients "
                "connected",
                sure="certain",
                see=see,
                chapters=chapters("12"),
            )
        )
    else:
        said.ok("SIGTERM ends it", f"after {ending.gone_s:.1f} s")
    idle = (
        f"{ending.idle_closed} of {ending.idle} idle connections were closed properly; "
        if ending.idle
        else ""
    )
    half = HALF_SENT.get(ending.half_sent, ending.half_sent)
    said.ok("its other clients at SIGTERM", f"{idle}one with half a request {half}")
