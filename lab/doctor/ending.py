"""What becomes of its clients when the server is told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from lab.doctor.observations import Ending, Slow
from lab.doctor.plan import ENDING_S
from lab.doctor.process import Watched
from lab.doctor.raw import Target, Wire, several

IN_FLIGHT = 3
IDLE = 3
BEFORE_S = 0.1
#: For so long those are waited for that should become idle, or come to an end.
WITHIN_S = 2.0
LOOK_S = 0.02


def ending(target: Target, pid: int, watched: Watched, slow: Slow | None) -> Ending:
    """Send SIGTERM to it, with clients of each kind connected. It is gone then."""
    seen = Ending(0, 0, 0, 0, "", None)
    with several([]) as wires:
        # A server may give a worker to each connection, so nobody connects before these
        # and says nothing: what they ask for is what it works on.
        working: list[tuple[Wire, float]] = []
        for _ in range(at_work(slow)):
            assert slow is not None
            wire = _open(target, wires)
            working.append((wire, time.perf_counter()))
            wire.send(target.request(path=slow.path))
        takes_s = slow.takes_ms / 1e3 if slow else 3 * WITHIN_S
        idle = _idle(target, wires, min(WITHIN_S, takes_s / 3))
        half = _open(target, wires)
        request = target.request()
        half.send(request[: len(request) // 2])
        time.sleep(min(BEFORE_S, takes_s / 6))
        idle = [wire for wire in idle if wire.ends(0.001) == "open"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        gone = threading.Thread(target=_watch, args=(seen, watched), daemon=True)
        gone.start()
        time.sleep(BEFORE_S)
        sent = time.perf_counter()
        with contextlib.suppress(OSError):
            half.send(request[len(request) // 2 :])
        seen.in_flight = len(working)
        for wire, asked in working:
            seen.answered += wire.receive(asked, ENDING_S).ok
        answer = half.receive(sent, WITHIN_S)
        seen.half_sent = "answered" if answer.ok else answer.end
        seen.idle = len(idle)
        until = time.monotonic() + WITHIN_S
        seen.idle_closed = sum(
            wire.ends(max(0.001, until - time.monotonic())) == "closed" for wire in idle
        )
        gone.join()
    return seen


def at_work(slow: Slow | None) -> int:
    """How many slow requests to ask for: no more than it works on at a time, for the
    others would wait to be begun."""
    if slow is None:
        return 0
    if slow.one and slow.one.stopped:
        return 1
    beside_all = slow.several and not slow.several.stopped
    if beside_all or not slow.works_on:
        return IN_FLIGHT
    return min(IN_FLIGHT, slow.works_on)


def _idle(target: Target, wires: list[Wire], within_s: float) -> list[Wire]:
    """Connections that are kept after an answer, as far as there are any so soon."""
    until = time.monotonic() + within_s
    idle: list[Wire] = []
    while len(idle) < IDLE and (left_s := until - time.monotonic()) > 0:
        wire = _open(target, wires)
        answer = wire.exchange(timeout_s=left_s)
        if not answer.ok or answer.answer.closes:
            wire.reset()
            break
        idle.append(wire)
    return idle


def _watch(seen: Ending, watched: Watched) -> None:
    """Note when it has gone: its clients may be waited for until long after that."""
    began = time.monotonic()
    while time.monotonic() - began < ENDING_S:
        if not watched.alive():
            seen.gone_s = time.monotonic() - began
            return
        time.sleep(LOOK_S)


def _open(target: Target, wires: list[Wire]) -> Wire:
    wire = Wire(target)
    wires.append(wire)
    return wire
