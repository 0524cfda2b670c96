"""How the parts of an answer arrive, and whether others' activity makes it quicker.

A body that comes 40 ms after its head, from a connection's second request on, and comes
at once when this side acknowledges the head at once, is held back by Nagle's algorithm.
A request that is answered sooner beside others, who have nothing to do with it, waits
for a timeout that they end.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator

from lab.doctor.observations import Contact, Split, Times
from lab.doctor.plan import Plan
from lab.doctor.raw import TCP_QUICKACK, Exchange, Target, Wire

#: Longer than a delayed acknowledgement, which then has gone before the next request.
PAUSE_S = 0.05
#: A page that takes longer is not asked for to see what a pause changes.
SLOW_MS = 300.0
#: First requests on a connection.
FIRST = 12
#: Requests with a body; and pieces that are as far apart are looked at again.
POSTS = 4
FAR_APART_MS = 10.0
#: Requests longer than this that wait for others, it seems, are looked at so often.
LONG_MS = 5.0
SURE_ROUNDS = 4
#: Others connect, ask once and go, so often.
BESIDE_PAUSE_S = 0.003


def split(target: Target, contact: Contact, plan: Plan) -> Split:
    """Look closely at some requests of each kind."""
    seen = Split()
    segments: list[int] = []
    keeps = contact.closed < contact.connections
    until = time.monotonic() + plan.look_s
    for number in range(FIRST):
        if number > 1 and time.monotonic() > until:
            break
        with contextlib.suppress(OSError), Wire(target) as wire:
            exchange = wire.exchange(eager=True)
            wire.ends(0.01 if keeps else 0.2)  # the end may bring the body
            _look(seen, segments, exchange, contact)
            seen.first_ms.append(exchange.body_ms)
    if keeps:
        seen.alone, seen.paused, seen.beside = Times(), Times(), Times()
        quick = TCP_QUICKACK is not None
        seen.quick = Times() if quick else None
        rounds = 0
        while rounds < plan.rounds or (rounds < SURE_ROUNDS and _seems_to_wait(seen)):
            rounds += 1
            count = plan.exchanges
            look_s = plan.look_s
            _several(target, seen.alone, count, look_s, seen, segments, contact)
            if seen.quick is not None:
                _several(target, seen.quick, count, look_s, quick=True)
            with others(target):
                _several(target, seen.beside, count, look_s, quick=quick)
        if contact.first_ms < SLOW_MS:  # there is more to be seen in that time
            _several(target, seen.paused, 4, plan.look_s, pause_s=PAUSE_S)
        post = target.request("POST", fields=("Content-Length: 4",)) + b"1234"
        seen.posted = Times()
        _several(target, seen.posted, POSTS, plan.look_s, request=post)
        if quick and max(seen.posted.gap_ms, default=0) > FAR_APART_MS:
            seen.posted_quick = Times()
            _several(
                target, seen.posted_quick, POSTS, plan.look_s, quick=True, request=post
            )
    seen.segments = statistics.median(segments) if segments else None
    return seen


def _seems_to_wait(seen: Split) -> bool:
    """Whether requests take long, and less beside others: so far, it may be noise."""
    quiet = seen.quick or seen.alone
    assert quiet is not None
    assert seen.beside is not None
    if not quiet.head_ms or not seen.beside.head_ms:
        return False
    alone = statistics.median(quiet.head_ms)
    return alone > LONG_MS and statistics.median(seen.beside.head_ms) < alone * 0.8


def _several(
    target: Target,
    times: Times,
    count: int,
    look_s: float,
    seen: Split | None = None,
    segments: list[int] | None = None,
    contact: Contact | None = None,
    quick: bool = False,
    pause_s: float = 0.0,
    request: bytes | None = None,
) -> None:
    """So many requests on one connection, or fewer if they take so long; after a first
    that does not count."""
    until = time.monotonic() + look_s
    with contextlib.suppress(OSError), Wire(target) as wire:
        if not wire.exchange(request, quick=quick).ok:
            return
        for number in range(count):
            if number > 2 and time.monotonic() > until:
                return
            if pause_s:
                time.sleep(pause_s)
            exchange = wire.exchange(request, quick=quick)
            if not exchange.ok:
                return  # closed after several, for example
            times.latency_ms.append(exchange.body_ms)
            times.head_ms.append(exchange.head_ms)
            times.gap_ms.append(exchange.gap_ms)
            times.cut_after_head += _is_cut(exchange)
            if seen is not None and segments is not None and contact is not None:
                _look(seen, segments, exchange, contact)


def _look(
    seen: Split, segments: list[int], exchange: Exchange, contact: Contact
) -> None:
    if not exchange.ok or contact.body_bytes == 0:
        return
    seen.looked_at += 1
    if exchange.segments is not None:
        segments.append(exchange.segments)
    seen.cut_after_head += _is_cut(exchange)


def _is_cut(exchange: Exchange) -> bool:
    """Whether a piece ended where the head does."""
    ends, length = set(), 0
    for _, piece in exchange.pieces:
        length += piece
        ends.add(length)
    head = len(exchange.answer.head)
    return head in ends and length > head


@contextlib.contextmanager
def others(target: Target) -> Iterator[None]:
    """Others connect, ask once, and go, all the while."""
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.wait(BESIDE_PAUSE_S):
            with contextlib.suppress(OSError), Wire(target, 1.0) as wire:
                wire.exchange(target.request(fields=("Connection: close",)), 1.0)

    threads = [threading.Thread(target=come_and_go, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
