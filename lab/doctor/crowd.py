"""A crowd of clients that say nothing: what it costs, and how many are too many."""

from __future__ import annotations

import contextlib
import errno
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

from lab.doctor.holding import (
    LEAVE_S,
    SETTLE_S,
    WORKED_OFF_S,
    how_it_ended,
    still_open,
)
from lab.doctor.observations import Contact, Crowd
from lab.doctor.plan import CROWD, PART_OF_CROWD, Plan
from lab.doctor.process import Watched, accepted
from lab.doctor.raw import TCP_QUICKACK, Target, Wire
from lab.load.child import allow_connections
from lab.load.target import LoadError

#: A count has settled when it was the same for so long; or by then.
SAME_FOR_S = 1.2
SETTLED_BY_S = 6.0
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
                watched.rests_within(WORKED_OFF_S)  # it has to accept each of them
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
        seen.kept = still_open(wires)
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
    seen.kept = _settled(lambda: still_open(wires))
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
        wires[:] = [wire for wire in wires if still_open([wire])]
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
                else how_it_ended(exchange) or "late"
            )
    except TimeoutError:
        return "late"  # the kernel has no room for it, and says nothing
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "reset"
