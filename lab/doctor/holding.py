"""Clients that hold a connection, and whether somebody else is still answered.

Whether it is they who stop the server is not left to the clock: they leave one after
another, and the one who waited is answered when enough of them have gone.
"""

from __future__ import annotations

import contextlib
import select
import time

from lab.doctor.holders import HOLD
from lab.doctor.observations import Held
from lab.doctor.plan import HOLDERS, Plan
from lab.doctor.process import Watched, deferred, in_the_kernel
from lab.doctor.raw import Exchange, Target, Wire
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
#: How long the server may be at work on those requests: where that can be seen, and
#: where it cannot.
WORKED_OFF_S = 4.0
UNSEEN_WORK_S = 8.0
#: And on those of other holders, as a multiple of the time that the page takes.
WORK_FACTOR = 3.0
#: How long it is looked at whether it rests while holders do nothing: it does if it
#: wants less than so many processors.
REST_LOOK_S = 0.15
REST_LOOKS = 5
RESTS = 0.2
#: A server that wants so many processors while somebody waits is at work.
WORKS = 0.2


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
    seen = Held(kind, len(wires), still_open(wires, kind != "unread"), None)
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
                    seen.ended = how_it_ended(exchange)
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


def how_it_ended(exchange: Exchange) -> str:
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
        answers, requests = in_the_kernel(other.target.port)
        if _readable(other, patience_s):
            return True
        if seen.kind == "body":
            goes_on = _have_something(wires) > answered
        else:
            used_s = watched.wanted_s() - wanted_s if watched else 0.0
            more, fewer = in_the_kernel(other.target.port)
            # Work may be to wait for something, too, and takes no processor then.
            moves = more > answers or fewer < requests
            works = used_s > WORKS * patience_s or moves
            goes_on = seen.kind == "unread" and works
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


def still_open(wires: list[Wire], reads: bool = True) -> int:
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
