"""A request that takes long: is anybody else answered meanwhile, and how many at once?

For that a page is needed that takes long by itself. No server has to have one: it is
named with `--slow-path`, or two that are customary are tried.
"""

from __future__ import annotations

import contextlib
import threading
import time

from lab.doctor.observations import Held, Slow
from lab.doctor.plan import Plan
from lab.doctor.raw import Target, Wire

#: The steps' own, and that of httpbin, a server made for testing clients.
CUSTOMARY = ("/sleep/300", "/delay/1")
#: What takes this much longer than the page takes long.
LONGER_MS = 100.0
LONGEST_S = 5.0
TRIES = 3
SEVERAL = 12
#: Who is answered within so many times what one takes was not behind another.
IN_TIME = 1.5


def slow(target: Target, path: str | None, usual_ms: float, plan: Plan) -> Slow | None:
    """What a slow request does to others. None: there is no such page."""
    for each in (path,) if path else CUSTOMARY:
        takes_ms = _takes(target, each)
        if takes_ms is not None and takes_ms > usual_ms + LONGER_MS:
            seen = Slow(each, takes_ms)
            seen.one = _beside(target, seen, 1)
            if seen.one.stopped and not _beside(target, seen, 1).stopped:
                seen.one.again = (0, 1)  # once is an accident
            if not seen.one.stopped:
                seen.several = _beside(target, seen, SEVERAL)
            return seen
    return None


def _takes(target: Target, path: str) -> float | None:
    """How long it takes by itself, in milliseconds: the quickest of some tries, for one
    may be slow by accident. None: there is no such page."""
    quickest = None
    for _ in range(TRIES):
        with contextlib.suppress(OSError), Wire(target) as wire:
            exchange = wire.exchange(target.request(path=path), LONGEST_S)
            if not exchange.served:
                return None
            quickest = min(quickest or exchange.body_ms, exchange.body_ms)
    return quickest


def _beside(target: Target, seen: Slow, count: int) -> Held:
    """So many slow requests at once, and somebody else beside them.

    Who is answered within a third of the time that one of them takes did not wait for
    it; who is answered when they are, waited.
    """
    latest: list[float] = []

    def ask() -> None:
        with contextlib.suppress(OSError), Wire(target) as wire:
            limit_s = min(30.0, seen.takes_ms / 1e3 * count + 5)
            if wire.exchange(target.request(path=seen.path), limit_s).served:
                latest.append(time.perf_counter())

    began = time.perf_counter()
    threads = [threading.Thread(target=ask, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(min(0.05, seen.takes_ms / 6e3))
    answered_ms = None
    held = Held("slow", count, count, None)
    with contextlib.suppress(OSError), Wire(target) as wire:
        exchange = wire.exchange(timeout_s=seen.takes_ms / 1e3 * count + 5)
        if exchange.served:
            answered_ms = exchange.body_ms
    for thread in threads:
        thread.join()
    if answered_ms is not None and answered_ms < seen.takes_ms / 3:
        held.answered_ms = answered_ms
    elif answered_ms is not None:
        held.answered_after = 1
    held.again = (1, 1)
    if count > 1 and latest:
        seen.at_once = count
        seen.together_ms = (max(latest) - began) * 1e3
        in_time_s = IN_TIME * seen.takes_ms / 1e3
        seen.in_time = sum(moment - began < in_time_s for moment in latest)
    return held
