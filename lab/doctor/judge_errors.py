"""What it means that requests under a load fail, or wait outside."""

from __future__ import annotations

from lab.doctor import commands
from lab.doctor.finding import Finding, Verdict, chapters
from lab.doctor.judge_growth import is_unfair
from lab.doctor.judge_waits import disturbed, is_disturbed
from lab.doctor.observations import Observations, Point


def unexplained(seen: Observations, point: Point) -> dict[str, int]:
    """A load's errors, without those of a server that closes and does not say so."""
    contact = seen.contact
    if contact and contact.closed and contact.unannounced == contact.closed:
        kinds = ("closed", "reset")
        return {kind: n for kind, n in point.errors.items() if kind not in kinds}
    return point.errors


def failing(seen: Observations, said: Verdict) -> None:
    """Requests that fail under a load, without those that have a finding already."""
    for point in seen.growth:
        errors = unexplained(seen, point)
        if seen.protocol and seen.protocol.length:
            # That is the cause, and has a finding of its own.
            told = ("malformed", "timeout", "short answer")
            errors = {kind: n for kind, n in errors.items() if kind not in told}
        if is_unfair(seen, point):
            # They wait outside, and for no room in the kernel.
            errors = {kind: n for kind, n in errors.items() if kind != "timeout"}
        if point.overflows:
            # They are late, and not lost: the kernel has no room for them.
            late = ("timeout", "connect timeout")
            if any(kind in errors for kind in late) and _backlog(
                seen, point, errors, said
            ):
                errors = {kind: n for kind, n in errors.items() if kind not in late}
        wrong = sum(errors.values())
        # A busy machine makes answers late, and a status it does not make.
        said_so = sum(n for kind, n in errors.items() if kind.startswith("status"))
        if said_so <= 3 and wrong <= max(3, 0.01 * (point.requests + wrong)):
            continue
        if set(errors) == {"timeout"} and is_disturbed(seen):
            said.open(
                f"whether requests take long with {point.connections} clients",
                disturbed(seen, f"{wrong:,} of them took more than 5 s"),
            )
            continue
        said.findings.append(_failures(seen, point, errors))
        return
    many = seen.point(100)
    if many is None or not many.overflows or is_unfair(seen, many):
        return
    if seen.process and seen.process.backlog is not None:
        # Whoever was swept away came again a second later, and lost no more than that.
        _backlog(seen, many, unexplained(seen, many), said)


def _failures(seen: Observations, point: Point, errors: dict[str, int]) -> Finding:
    wrong = sum(errors.values())
    only_late = set(errors) == {"timeout"}
    clients = f"{point.connections} client{'s' * (point.connections > 1)}"
    most = max(errors, key=lambda kind: errors[kind])
    fail = f"fail with {most}" if most.startswith("status") else "fail"
    # Who is late was under way when the time was over, as were all others.
    asked = point.requests + (max(wrong, point.connections) if only_late else wrong)
    return Finding(
        id="errors",
        weight=90,
        sentence=f"With {clients}, requests "
        f"{'take more than 5 s' if only_late else fail}: {wrong:,} of {asked:,}",
        short=f"requests that fail with {clients}",
        figure=", ".join(f"{kind} {n:,}" for kind, n in errors.items()),
        sure="likely" if only_late else "certain",
        see=commands.load(seen, point.connections),
        chapters=chapters("03", "04"),
    )


def unfair(seen: Observations, said: Verdict) -> None:
    """Some clients are answered again and again, and others wait."""
    many = seen.point(100)
    if many is None or not is_unfair(seen, many):
        return
    few = round(many.connections - many.starved)
    served, same = (f"{few} clients", "few") if few > 1 else ("one client", "one")
    said.findings.append(
        Finding(
            id="unfair",
            weight=63,
            sentence=f"With 100 clients it is unfair: about {many.starved:.0f} of "
            f"them wait outside while it answers the same {same} again and again",
            short="clients that wait while the same few are answered",
            figure=f"{many.rate:,.0f} requests a second of "
            f"{(many.connections - many.starved) / many.rate * 1e3:.2f} ms each on "
            f"average keep {served} busy, by Little's law; "
            + (
                "others waited for more than 5 s"
                if "timeout" in many.errors
                else "others waited for longer than that was looked at"
                if many.max_ms <= 20 * many.p50_ms
                else f"the longest waited {many.max_ms:,.0f} ms"
            ),
            sure="likely",
            see=commands.load(seen, 100),
            chapters=chapters("10", "12"),
        )
    )


def _backlog(
    seen: Observations, point: Point, errors: dict[str, int], said: Verdict
) -> bool:
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
    late = errors.get("timeout", 0) + errors.get("connect timeout", 0)
    said.findings.append(
        Finding(
            id="backlog",
            weight=67,
            sentence=f"{room} that wait to be accepted: with {point.connections} "
            "clients, whoever comes when there is no room waits for a second or more",
            short="a short backlog, so that some connections take seconds",
            figure=f"with {point.connections} clients listen queues overflowed "
            f"{point.overflows:,} times on this machine"
            + (
                f", and {late:,} request{'s' * (late != 1)} took more than 5 s"
                if late
                else ""
            )
            + "; ss calls the backlog Send-Q",
            # The kernel counts for all of its listeners together.
            sure="certain" if backlog is not None and point.queue_full else "likely",
            see=f"ss -ltn 'sport = :{commands.port(seen)}'; "
            "nstat -az TcpExtListenOverflows",
            chapters=chapters("12"),
        )
    )
    return True
