"""The rate and the latency with a few clients, with some, and with many.

The law says connections = rate x latency. Where the latency stays and the rate grows,
each request waits for something that others do not hold up; where the rate stays and
the latency grows, requests wait for each other.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from typing import Literal

from lab.doctor.observations import Contact, Point
from lab.doctor.plan import FEW, MANY, SOME, Plan
from lab.doctor.process import Watched, overflows, queue_is_full
from lab.doctor.raw import Exchange, Target, Wire
from lab.load.answer import Answer
from lab.load.run import LoadSpec, run_load
from lab.load.target import LoadError

CONTACTS = 5
#: An answer under load that takes longer is counted as a timeout.
LATE_S = 5.0
#: How a record of TLS begins: an alert, or a handshake; and how long it is waited for.
TLS = (b"\x15\x03", b"\x16\x03")
TLS_S = 2.0
#: If so many in a row go wrong, that is all there is.
PATIENCE = 3
FIRST_ANSWER_S = 10.0


def contact(target: Target, plan: Plan) -> Contact:
    """Ask for the page a few times. LoadError, in one line, if that cannot be."""
    closed = failed = unannounced = 0
    connects: list[float] = []
    firsts: list[float] = []
    good: Exchange | None = None
    until = time.monotonic() + plan.look_s
    for number in range(CONTACTS):
        if good and time.monotonic() > until:
            break
        try:
            wire = Wire(target, FIRST_ANSWER_S)
        except ConnectionRefusedError:
            raise LoadError(_nothing_listens(target)) from None
        except OSError as error:
            raise LoadError(f"cannot connect to {target.authority}: {error}") from None
        with wire:
            seen = wire.exchange(timeout_s=FIRST_ANSWER_S)
            wrong = _what_is_wrong(target, seen, wire)
            if wrong:
                # It may fail now and then, which is something to be found out.
                failed += 1
                if good is None and (seen.end == "late" or number == PATIENCE - 1):
                    raise LoadError(wrong)
                continue
            good = seen
            connects.append(wire.connect_ms)
            firsts.append(seen.body_ms)
            again = not seen.answer.closes and wire.exchange(timeout_s=FIRST_ANSWER_S)
            if not again or again.end in ("closed", "reset"):
                closed += 1
                unannounced += not seen.answer.closes
    assert good is not None
    answer = good.answer
    server = ""
    for line in answer.head.decode("latin-1").split("\r\n"):
        if line.lower().startswith("server:"):
            server = line.partition(":")[2].strip()
    return Contact(
        status=int(answer.status),
        version=f"1.{answer.version}",
        server=server,
        head_bytes=len(answer.head),
        body_bytes=answer.total - len(answer.head),
        framing=answer.framing,
        closed=closed,
        connections=len(firsts),
        unannounced=unannounced,
        failed=failed,
        connect_ms=statistics.median(connects),
        first_ms=statistics.median(firsts),
    )


def _nothing_listens(target: Target) -> str:
    """Some listen on `localhost` by its address of IPv6 alone."""
    nothing = f"nothing listens on {target.authority}"
    if not target.host.startswith("127."):
        return nothing
    try:
        socket.create_connection(("::1", target.port), 1.0).close()
    except OSError:
        return nothing
    return (
        f"{nothing}, but something does on [::1]:{target.port}: the doctor speaks "
        "IPv4; let it listen on 127.0.0.1 as well"
    )


def _what_is_wrong(target: Target, seen: Exchange, wire: Wire) -> str:
    """Why this is no answer that can be looked at, in one line; or nothing."""
    answer = seen.answer
    if seen.end == "malformed":
        if answer.head.startswith(TLS):
            return _answers_in_tls(target)
        return f"{target.authority} does not answer in HTTP/1: {_first_line(answer)}"
    if not seen.ok and not answer.received and _speaks_tls(target):
        return _answers_in_tls(target)
    if not seen.ok:
        came = _what_came(answer)
        if seen.end == "late" and not answer.received:
            return f"{target.url} does not answer within {FIRST_ANSWER_S:.0f} s"
        how = {
            "late": f"and no more within {FIRST_ANSWER_S:.0f} s",
            "closed": "and then it closed the connection",
            "reset": "and then it reset the connection",
        }[seen.end]
        return f"{target.url} does not give a whole answer: {came} {how}"
    if seen.status == 400 and b"https" in seen.text.lower():
        return f"{target.authority} expects TLS: the doctor speaks plain HTTP"
    if not 200 <= seen.status < 300:
        return (
            f"{target.url} answers {seen.status}: give a page that answers 200, for "
            "what a server does with an error says little about its pages"
        )
    return ""


def _answers_in_tls(target: Target) -> str:
    return (
        f"{target.authority} answers in TLS: the doctor speaks plain HTTP; give it the "
        "port behind whatever ends the TLS"
    )


def _speaks_tls(target: Target) -> bool:
    """Whether it answers the first words of TLS; many close when they hear others."""
    try:
        import ssl  # a Python may be built without it
    except ImportError:
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    try:
        with Wire(target, TLS_S) as wire:
            wire.send(said.read())
            return wire.sock.recv(2) in TLS
    except OSError:
        return False


def _what_came(answer: Answer) -> str:
    if not answer.received:
        return "nothing came"
    if not answer.head_is_whole:
        return f"it began with {_first_line(answer)}, which did not become a head,"
    body = answer.received - len(answer.head)
    if answer.framing == "length":
        return f"{body:,} of the {answer.total - len(answer.head):,} bytes came"
    return f"a head and {body:,} bytes came, without an end"


def _first_line(answer: Answer) -> str:
    return repr(answer.head.partition(b"\n")[0][:60].decode("latin-1").strip())


def growth(
    target: Target, plan: Plan, watched: Watched | None, keeps: bool = True
) -> list[Point]:
    """Loads of 1, 10 and 100 connections, in turns; medians of the rounds.

    Where many wait for seconds, one round has to do: other things are to be seen, too.
    keeps: whether the server keeps connections. Where it does not, each is opened when
    its request is due, for one that waits for its turn may hold a worker.
    """
    rounds: list[list[Point]] = []
    until = time.monotonic() + plan.seconds / 4
    while len(rounds) < plan.rounds and (not rounds or time.monotonic() < until):
        rounds.append(
            [load(target, count, plan, watched, keeps) for count in (FEW, SOME, MANY)]
        )
    return [_middle(list(points)) for points in zip(*rounds, strict=True)]


def load(
    target: Target,
    connections: int,
    plan: Plan,
    watched: Watched | None,
    keeps: bool = True,
) -> Point:
    """One load."""
    read: list[list[float]] = []

    full: list[bool] = []

    def on_window(edge: Literal["start", "end"]) -> None:
        if edge == "end":
            full.append(queue_is_full(target.port))
        if watched:
            if edge == "start":
                watched.look_again()  # the warm-up may have made it start more
            fine, waited = watched.fine_cpu_s() or 0.0, watched.waited_s() or 0.0
            read.append([time.monotonic(), watched.cpu_s(), fine, waited])

    overflowed = overflows()

    spec = LoadSpec(
        target.host,
        target.port,
        connections,
        seconds=plan.window_s,
        warmup_s=plan.window_s / 4,
        keep_alive=keeps,
        path=target.path,
        same_page=True,
        timeout_s=max(LATE_S, plan.patience_s, 10 * plan.page_s),
        anywhere=target.anywhere,
    )
    result = run_load(spec, on_window)
    latency = result.latency
    cpu = waited = None
    if len(read) == 2:
        took, rough, fine, waits = (b - a for a, b in zip(*read, strict=True))
        # The rough one knows of threads that have ended, the fine one of less than a
        # tick.
        cpu = max(rough, fine) / took
        waited = min(max(0.0, waits) / took, watched.threads() if watched else 0)
    return Point(
        connections=connections,
        requests=result.requests,
        rate=result.throughput_rps,
        p50_ms=latency.p50 if latency else 0.0,
        errors=result.errors,
        closed=result.reconnects,
        client_bound=result.generator_bound,
        cpu=cpu,
        waited=waited,
        max_ms=latency.max if latency else 0.0,
        starved=connections - result.throughput_rps * latency.mean / 1e3
        if latency
        else 0.0,
        overflows=overflows() - overflowed,
        queue_full=any(full),
        rates=[result.throughput_rps],
    )


def _middle(points: list[Point]) -> Point:
    """Of several looks the one with the median rate; what went wrong in all of them."""
    points.sort(key=lambda point: point.rate)
    middle = points[(len(points) - 1) // 2]
    middle.rates = [point.rate for point in points]
    middle.client_bound = any(point.client_bound for point in points)
    middle.overflows = min(point.overflows for point in points)  # each time
    middle.queue_full = any(point.queue_full for point in points)
    middle.starved = min(point.starved for point in points)
    cpus = [point.cpu for point in points if point.cpu is not None]
    middle.cpu = statistics.mean(cpus) if cpus else None
    # One round's, for one round's requests; and what is seen once is no finding.
    least = {
        kind: min(point.errors.get(kind, 0) for point in points)
        for kind in middle.errors
    }
    middle.errors = {kind: count for kind, count in least.items() if count}
    return middle
