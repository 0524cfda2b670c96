"""Clients that hold a connection, and whether somebody else is still answered.

Whether it is they who stop the server is not left to the clock: they leave one after
another, and the one who waited is answered when enough of them have gone.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

from lab.doctor.observations import Contact, Crowd, Held
from lab.doctor.plan import CROWD, HOLDERS, PART_OF_CROWD, Plan
from lab.doctor.process import Watched, accepted, deferred
from lab.doctor.raw import TCP_QUICKACK, Exchange, Target, Wire
from lab.load.child import allow_connections
from lab.load.target import LoadError

#: After one of them has left, the other may take so long to be answered.
LEAVE_S = 0.03
#: Who is not answered for so long, the second time, does not wait for a worker that
#: is being started: Apache and php-fpm look once a second whether they need more.
CONFIRM_S = 2.0
#: Time for the server to take what was opened.
SETTLE_S = 0.05
#: And to fill the kernels' buffers with what is not read: the server waits, now and
#: then, until some of that has been acknowledged, and uses no processor meanwhile.
UNREAD_SETTLE_S = 0.5
#: And for the kernel to hand on who says nothing: some servers ask for a second.
HANDED_ON_BY_S = 2.5
#: A count has settled when it was the same for so long; or by then.
SAME_FOR_S = 1.2
SETTLED_BY_S = 6.0
#: Requests that a client sends who reads no answer, and how long they may be stuck.
UNREAD_REQUESTS = 4_000
#: Answers of so many bytes are more than what the kernels take of them.
UNREAD_BYTES = 700_000
#: How long the server may be at work on those requests: where that can be seen, and
#: where it cannot.
WORKED_OFF_S = 4.0
UNSEEN_WORK_S = 8.0
#: And on those of other holders, as a multiple of the time that the page takes.
WORK_FACTOR = 3.0
STUCK_S = 0.25
#: How long it is looked at whether it rests while holders do nothing: it does if it
#: wants less than so many processors.
REST_LOOK_S = 0.15
REST_LOOKS = 5
RESTS = 0.2
#: A server that wants so many processors while somebody waits is at work.
WORKS = 0.2
#: How long one client's latency is looked at.
LOOK_S = 0.35
#: Where it gives fewer latencies, it is looked at for so much longer.
FEW = 20
LONGER_LOOK_S = 0.6
#: Between asking whether it has recovered from a crowd.
LONG_PAUSES_S = (2.0, 4.0, 6.0)
#: Connections that are kept, to see what memory one takes; and as many before them.
WARM, KEPT = 50, 200
#: That is not worth more: Puma has a new one wait for 0.2 s while others are kept.
MEMORY_BY_S = 2.0
#: A connection that takes longer to open is tried again.
AGAIN_S = 0.2
#: Where a limit is looked for, so many leave at a time.
COARSE, FINE = 50, 5
BATCH = 20
BATCH_PAUSE_S = 0.002

Number = TypeVar("Number", int, int | None)
Holder = Callable[[Wire], None]


def say_nothing(wire: Wire) -> None:
    pass


def half_a_head(wire: Wire) -> None:
    request = wire.target.request()
    wire.send(request[: len(request) // 2])


def half_a_body(wire: Wire) -> None:
    fields = ("Content-Type: application/octet-stream", "Content-Length: 100")
    wire.send(wire.target.request("POST", fields=fields) + b"half")


def unread_requests(target: Target) -> int:
    """How many a client sends, at most, who reads no answer."""
    enough = UNREAD_BYTES // max(1, target.answer_bytes) + 50
    return min(UNREAD_REQUESTS, enough)


def read_nothing(wire: Wire) -> None:
    """Send requests until the server takes no more of them. Read no answer."""
    request = wire.target.request()
    block = request * 50
    sent, most = 0, len(request) * unread_requests(wire.target)
    wire.sock.setblocking(False)
    offset = 0
    since = time.monotonic()
    while sent < most and time.monotonic() - since < STUCK_S:
        try:
            count = wire.sock.send(block[offset:])
        except BlockingIOError:
            select.select([], [wire.sock], [], STUCK_S / 5)
            continue
        except OSError:
            return  # it was closed: the count of open ones tells
        sent += count
        wire.asked = sent // len(request)
        offset = (offset + count) % len(block)
        since = time.monotonic()


def end_our_side(wire: Wire) -> None:
    """It has had an answer, and says that it will ask for no more."""
    wire.exchange()
    wire.sock.shutdown(socket.SHUT_WR)


HOLD: dict[str, Holder] = {
    "silent": say_nothing,
    "half": half_a_head,
    "body": half_a_body,
    "unread": read_nothing,
    "ended": end_our_side,
}


def held(target: Target, kind: str, plan: Plan, watched: Watched | None) -> list[Held]:
    """One holder, then more, until the server stops; that is looked at once more."""
    seen = []
    counts = {"unread": HOLDERS[:2], "ended": HOLDERS[1:2]}.get(kind, HOLDERS)
    for count in counts:
        try:
            allow_connections(count)
        except LoadError:
            break  # those that fail here would seem to be refused there
        work_s = WORK_FACTOR * count * plan.page_s
        first = hold(target, kind, count, plan.patience_s, watched, work_s)
        if first.stopped and not first.busy:
            # As long as it took with them leaving, it is now given without: whoever is
            # answered in that time was late, and stopped by nobody.
            patience_s = max(plan.patience_s, CONFIRM_S, 1.2 * first.waited_ms / 1e3)
            second = hold(target, kind, count, patience_s, watched, work_s)
            first.again = (int(second.stopped), 1)
            if first.limit and (second.limit or 0) > first.limit and not second.ended:
                # On a busy machine an answer can be late, and never too early, unless
                # they have been turned away meanwhile, all that were waiting.
                first.answered_after = second.answered_after
        seen.append(first)
        if first.stopped:
            break
    return seen


def hold(
    target: Target,
    kind: str,
    count: int,
    patience_s: float,
    watched: Watched | None,
    work_s: float = 0.0,
) -> Held:
    """So many holders; another asks; they leave one by one until it is answered.

    work_s: for so long the server may be at work on what they have asked for.
    """
    wires: list[Wire] = []
    try:
        for _ in range(count):
            try:
                wire = Wire(target, patience_s, small=kind == "unread")
            except TimeoutError:
                break  # there is no room for more, and whoever comes now waits as well
            except OSError:
                continue
            wires.append(wire)
            with contextlib.suppress(OSError):
                HOLD[kind](wire)
        time.sleep(UNREAD_SETTLE_S if kind == "unread" else SETTLE_S)
        kept_out = kind == "silent" and count == HOLDERS[-1] and _kept_out(target.port)
        gave_work = _gave_work(kind, wires)
        before = watched.wanted_s() if watched else 0.0
        if gave_work and watched and not watched.rests_within(WORKED_OFF_S):
            # Whoever waits now waits for work, and not for a client that holds on.
            busy = Held(kind, count, count, None, busy=True)
            busy.asked = sum(wire.asked for wire in wires)
            busy.worked_s = watched.wanted_s() - before
            return busy
        if kind != "silent" and watched and work_s > SETTLE_S:
            # Some answer without reading the body: that is work, and an end to it.
            watched.rests_within(min(work_s, WORKED_OFF_S))
        # Those that do not read have asked for much, and have been waited for already.
        looks = count == HOLDERS[1] and kind != "unread"
        rest = at_rest(watched) if watched and looks else None
        seen = beside(target, kind, wires, patience_s, watched)
        seen.rest_cpu = rest
        seen.deferred = kept_out
        return seen
    finally:
        for wire in wires:
            wire.reset()


def at_rest(watched: Watched) -> float:
    """How many processors it wants, while those who are there do nothing."""
    least = watched.wants(REST_LOOK_S)
    for _ in range(REST_LOOKS):
        if least <= RESTS:
            break
        # It may have had something to do for them, or does something now and then.
        least = min(least, watched.wants(REST_LOOK_S))
    return least


def _kept_out(port: int) -> bool:
    """Whether the kernel keeps silent connections from the server for long."""
    until = time.monotonic() + HANDED_ON_BY_S
    while deferred(port):
        if time.monotonic() > until:
            return True
        time.sleep(SETTLE_S)
    return False


def _gave_work(kind: str, wires: list[Wire]) -> bool:
    """Whether they are answered all the same, and do not read it."""
    if kind == "body":  # some answer when they have the head
        return any(_readable(wire, 0) for wire in wires)
    return kind == "unread"


def beside(
    target: Target,
    kind: str,
    wires: list[Wire],
    patience_s: float,
    watched: Watched | None,
) -> Held:
    """Whether somebody is answered beside these, or when enough of them have gone."""
    seen = Held(kind, len(wires), _open(wires, kind != "unread"), None)
    for attempt in range(len(wires) + 1):
        if attempt:
            _leave(wires[attempt - 1], kind)
        try:
            with Wire(target, patience_s) as other:
                other.send(target.request())
                began = time.perf_counter()
                before = watched.cpu_s() if watched else 0.0
                if attempt:
                    is_ready = _readable(other, LEAVE_S * 2)
                else:
                    is_ready = _worked_off(seen, other, wires, patience_s, watched)
                if seen.busy:
                    return seen
                if is_ready:
                    waited_s = time.perf_counter() - began
                    exchange = other.receive(began, waited_s + patience_s)
                    if exchange.served:
                        if attempt:
                            seen.answered_after = attempt
                        else:
                            seen.answered_ms = exchange.body_ms
                        return seen
                    seen.ended = _how_it_ended(exchange)
                    continue
                if attempt:
                    continue
                if watched:
                    waited_s = time.perf_counter() - began
                    seen.cpu = (watched.cpu_s() - before) / waited_s
                elif kind == "unread" and _readable(other, UNSEEN_WORK_S):
                    # It waited for work: nobody has left, and it is answered.
                    seen.busy = True
                    return seen
                # It waits. Who is answered only when they go was held up by them.
                for gone, wire in enumerate(wires, start=1):
                    _leave(wire, kind)
                    last = gone == len(wires)
                    if _readable(other, patience_s * 2 if last else LEAVE_S):
                        waited_s = time.perf_counter() - began
                        exchange = other.receive(began, waited_s + 5)
                        if exchange.served:
                            seen.answered_after = gone
                            seen.waited_ms = exchange.body_ms
                        return seen
                return seen
        except TimeoutError:
            seen.ended = ""
        except OSError:
            seen.ended = "refused"
    return seen


def _how_it_ended(exchange: Exchange) -> str:
    """How somebody was not served: "closed", "reset", "told 503"; "" for no word."""
    if exchange.ok:
        return f"told {exchange.status}"
    return exchange.end if exchange.end != "late" else ""


def _worked_off(
    seen: Held,
    other: Wire,
    wires: list[Wire],
    patience_s: float,
    watched: Watched | None,
) -> bool:
    """Whether something comes for who asks beside them: soon, or when the server has
    done what they asked it for. `seen.busy`, if it is at that for too long.

    Who has sent half a body may have an answer to it, which is work, too. And some
    servers start workers, one after another, when they have none left.
    """
    until = time.monotonic() + WORKED_OFF_S
    while True:
        answered = _have_something(wires)
        workers = watched.workers() if watched else 0
        wanted_s = watched.wanted_s() if watched else 0.0
        if _readable(other, patience_s):
            return True
        if seen.kind == "body":
            goes_on = _have_something(wires) > answered
        else:
            used_s = watched.wanted_s() - wanted_s if watched else 0.0
            goes_on = seen.kind == "unread" and used_s > WORKS * patience_s
        if watched and watched.workers() > workers:
            goes_on = True  # and more may follow
        if not goes_on:
            return False
        if time.monotonic() > until:
            seen.busy = True
            return False


def _have_something(wires: list[Wire]) -> int:
    """For how many of them something has come that was not read."""
    poll = select.poll()
    for wire in wires:
        poll.register(wire.sock, select.POLLIN)
    return len(poll.poll(0))


def _leave(wire: Wire, kind: str) -> None:
    if kind == "unread":
        wire.reset()
    else:
        wire.close()


def _readable(wire: Wire, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(wire.sock, select.POLLIN)
    return bool(poll.poll(timeout_s * 1e3))


def _open(wires: list[Wire], reads: bool = True) -> int:
    """How many of them the server has not ended. Those that read are read empty."""
    poll = select.poll()
    by_fd = {wire.sock.fileno(): wire for wire in wires}
    for fd in by_fd:
        poll.register(fd, select.POLLIN if reads else 0)
    ended = 0
    for fd, flags in poll.poll(0):
        if flags & (select.POLLERR | select.POLLHUP):
            ended += 1
        elif flags & select.POLLIN:
            wire = by_fd[fd]
            wire.sock.setblocking(False)
            try:
                while wire.sock.recv(65536):
                    pass  # it may be told something first
                ended += 1
            except BlockingIOError:
                pass
            except OSError:
                ended += 1
    return len(wires) - ended


# --- A crowd that says nothing -------------------------------------------------------


def crowd(
    target: Target, contact: Contact, plan: Plan, watched: Watched | None
) -> Crowd:
    """Nine hundred silent connections, then more than `select()` can watch."""
    seen = Crowd(CROWD, 0, 0, PART_OF_CROWD, [], [])
    try:
        allow_connections(CROWD + 100)
    except LoadError as error:
        seen.note = str(error)
        return seen
    wires: list[Wire] = []
    keeps = contact.closed < contact.connections
    try:
        rounds = 0
        # What is seen once has to be seen again.
        while rounds < plan.rounds or (rounds == 1 and _seems_to_cost(seen)):
            rounds += 1
            if wires:
                for wire in wires:
                    wire.close()
                wires.clear()
                time.sleep(SETTLE_S)
            before = watched.rss_bytes() if watched else 0
            _look(target, keeps, seen.without_ms, watched, seen, "cpu_without_us")
            _open_crowd(target, wires, PART_OF_CROWD, plan, seen)
            time.sleep(SETTLE_S)
            if watched:
                watched.rests_within(1.0)  # it has to accept each of them
            if len(wires) < PART_OF_CROWD:
                break
            if watched and seen.bytes_each is None:
                grown = watched.rss_bytes() - before
                seen.bytes_each = max(0, grown) / len(wires)
            _look(target, keeps, seen.beside_ms, watched, seen, "cpu_beside_us")
        _open_crowd(target, wires, CROWD, plan, seen)
        seen.opened = len(wires)
        time.sleep(SETTLE_S)
        if watched:
            watched.rests_within(WORKED_OFF_S)  # who is still at work is late, not full
        seen.kept = _open(wires)
        seen.highest = watched.highest_descriptor() if watched else None
        _ask_beside(target, wires, plan, seen)
    finally:
        for wire in wires:
            wire.reset()
    return seen


def _seems_to_cost(seen: Crowd) -> bool:
    """Whether the one look beside them was much slower than the one without."""
    looks = bool(seen.beside_ms and seen.without_ms)
    return looks and seen.beside_ms[0] > 1.5 * seen.without_ms[0]


def memory_of_kept(target: Target, watched: Watched) -> float | None:
    """What a connection costs the server that is kept after its answer, in bytes."""
    wires: list[Wire] = []
    until = time.monotonic() + MEMORY_BY_S
    try:
        for number in range(WARM + KEPT):
            if time.monotonic() > until:
                return None
            if number == WARM:  # threads, caches and arenas are there by now
                before = watched.rss_bytes()
            wires.append(Wire(target, 1.0))
            if not wires[-1].exchange(timeout_s=1.0).ok:
                return None
        return max(0, watched.rss_bytes() - before) / KEPT
    except OSError:
        return None
    finally:
        for wire in wires:
            wire.close()


def _open_crowd(
    target: Target, wires: list[Wire], count: int, plan: Plan, seen: Crowd
) -> None:
    """Open connections until there are so many, or until one takes too long."""
    deadline = time.monotonic() + 3 * plan.patience_s
    while len(wires) < count:
        try:
            wires.append(Wire(target, AGAIN_S))
        except TimeoutError:
            pass  # a full backlog has swallowed it, and the kernel would wait a second
        except OSError as error:
            what = errno.errorcode.get(error.errno or 0, str(error))
            seen.note = f"connection {len(wires) + 1} could not be opened: {what}"
            return
        if time.monotonic() > deadline:
            seen.note = f"it took too long to open more than {len(wires)} connections"
            return
        if len(wires) % BATCH == 0:
            time.sleep(BATCH_PAUSE_S)


def _look(
    target: Target,
    keeps: bool,
    found_ms: list[float],
    watched: Watched | None,
    seen: Crowd,
    cpu_field: str,
) -> None:
    """One client's median latency, and the server's processor time a request."""
    cpu = watched.fine_cpu_s() if watched else None
    latencies: list[float] = []
    quick = TCP_QUICKACK is not None
    until = time.monotonic() + LOOK_S
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        wire: Wire | None = None
        while len(latencies) < 400:
            over_s = time.monotonic() - until
            if over_s > (0 if len(latencies) >= FEW else LONGER_LOOK_S):
                break
            if wire is None or not keeps:
                began = time.perf_counter()
                wire = Wire(target, 2.0)
                stack.callback(wire.close)
                connect_ms = (time.perf_counter() - began) * 1e3
            else:
                connect_ms = 0.0
            exchange = wire.exchange(timeout_s=2.0, quick=quick)
            if not exchange.served:
                break
            latencies.append(exchange.body_ms + connect_ms)
            if not keeps:
                wire.close()
            elif exchange.answer.closes:
                wire.close()
                wire = None
    if len(latencies) < 2:
        return
    found_ms.append(statistics.median(latencies))
    if watched and cpu is not None and (now := watched.fine_cpu_s()) is not None:
        used = (now - cpu) / len(latencies) * 1e6
        before = getattr(seen, cpu_field)
        setattr(seen, cpu_field, used if before is None else min(before, used))


def _ask_beside(target: Target, wires: list[Wire], plan: Plan, seen: Crowd) -> None:
    """Is somebody answered beside the crowd; if not, beside how many?"""
    answer = _ask(target, plan.patience_s)
    if isinstance(answer, float):
        seen.answered_ms = answer
        return
    again = _ask(target, plan.patience_s)
    if isinstance(again, float):
        seen.answered_ms = again
        seen.note = "one of two was not answered beside all of them"
        return
    seen.ended = answer
    # What the server closes it goes on closing for a while.
    seen.kept = _settled(lambda: _open(wires))
    had = _settled(lambda: accepted(target.port))
    if (not had or had >= len(wires)) and answer != "late":
        had = seen.kept
    if had is not None and 0 < had < len(wires):
        # Whoever ends the silent after a while has that many left by now, and room.
        if not isinstance(_ask(target, plan.patience_s), float):
            seen.limit, seen.counted = had, True
    elif _thin_out(target, wires, COARSE):
        # That many too few, at most: so fill them up again, and look more closely. If
        # somebody is answered even then, it was slow before, and they are no limit.
        answered = len(wires)
        _open_crowd(target, wires, answered + COARSE, plan, Crowd(0, 0, 0, 0, [], []))
        if not isinstance(_ask(target, plan.patience_s), float):
            refound = _thin_out(target, wires, FINE)
            seen.limit = len(wires) if refound else answered
    while wires:
        wires.pop().close()
    # It may have to work off each of them, and wait for a timeout, before that.
    for pause_s in (0.0, plan.patience_s, *LONG_PAUSES_S):
        time.sleep(pause_s)
        seen.recovered = isinstance(_ask(target, plan.patience_s), float)
        if seen.recovered:
            return


def _settled(count: Callable[[], Number]) -> Number:
    """A count, when it has been the same for a while; or at the end of patience."""
    now, since = count(), time.monotonic()
    until = since + SETTLED_BY_S
    while time.monotonic() < min(until, since + SAME_FOR_S):
        time.sleep(SETTLE_S)
        if (next_one := count()) != now:
            now, since = next_one, time.monotonic()
    return now


def _thin_out(target: Target, wires: list[Wire], step: int) -> bool:
    """Close so many after each other, until somebody is answered beside the rest.

    The last first: the next one gets the lowest descriptor that is free in the server,
    and `select()` can watch it if an early one was closed, however many there are.
    """
    while wires:
        wires[:] = [wire for wire in wires if _open([wire])]
        for wire in wires[-step:]:
            wire.close()
        del wires[-step:]
        if isinstance(_ask(target, LEAVE_S * 2), float):
            return True
    return False


def _ask(target: Target, patience_s: float) -> float | str:
    """Milliseconds until somebody is answered, or how that ended."""
    try:
        with Wire(target, patience_s) as wire:
            exchange = wire.exchange(timeout_s=patience_s)
            return (
                exchange.body_ms
                if exchange.served
                else _how_it_ended(exchange) or "late"
            )
    except TimeoutError:
        return "late"  # the kernel has no room for it, and says nothing
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "reset"
