"""What becomes of its clients when the server is told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from lab.doctor.observations import Ending, Slow
from lab.doctor.process import Watched
from lab.doctor.raw import Target, Wire, several

IN_FLIGHT = 3
IDLE = 3
LIMIT_S = 10.0
BEFORE_S = 0.1


def ending(target: Target, pid: int, watched: Watched, slow: Slow | None) -> Ending:
    """Send SIGTERM to it, with clients of each kind connected. It is gone then."""
    seen = Ending(0, 0, 0, 0, "", None)
    with several([]) as wires:
        working: list[tuple[Wire, float]] = []
        if slow is not None:
            for _ in range(IN_FLIGHT):
                wire = _open(target, wires)
                working.append((wire, time.perf_counter()))
        idle = [_open(target, wires) for _ in range(IDLE)]
        for wire in idle:
            wire.exchange()
        half = _open(target, wires)
        request = target.request()
        half.send(request[: len(request) // 2])
        for number, (wire, _) in enumerate(working):
            assert slow is not None
            wire.send(target.request(path=slow.path))
            working[number] = wire, time.perf_counter()
        time.sleep(BEFORE_S)
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        time.sleep(BEFORE_S)
        sent = time.perf_counter()
        with contextlib.suppress(OSError):
            half.send(request[len(request) // 2 :])
        seen.in_flight = len(working)
        for wire, asked in working:
            seen.answered += wire.receive(asked, LIMIT_S).ok
        answer = half.receive(sent, 2.0)
        seen.half_sent = "answered" if answer.ok else answer.end
        seen.idle = len(idle)
        seen.idle_closed = sum(wire.ends(2.0) == "closed" for wire in idle)
        while time.monotonic() - began < LIMIT_S:
            if not watched.alive():
                seen.gone_s = time.monotonic() - began
                break
            time.sleep(0.05)
    return seen


def _open(target: Target, wires: list[Wire]) -> Wire:
    wire = Wire(target)
    wires.append(wire)
    return wire
