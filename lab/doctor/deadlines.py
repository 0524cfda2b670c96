"""Clients that do not go on, watched for as long as the consultation takes."""

from __future__ import annotations

import contextlib
import select
import threading
import time

from lab.doctor.holders import half_a_body, half_a_head, read_nothing, say_nothing
from lab.doctor.observations import Dawdler
from lab.doctor.process import has_closed
from lab.doctor.raw import Target, Wire

KINDS = ("silent", "half", "trickle", "body", "kept", "unread")
#: Those that hold no worker, where a worker is held by whoever sends half a body.
QUIET = ("silent", "kept")
#: All but who reads nothing: that one comes when it is known to stop nobody.
PATIENT = KINDS[:-1]
#: Those that there are where each answer ends the connection.
BEFORE_AN_ANSWER = ("silent", "half", "trickle", "body")
#: Who is answered sooner than this, and not cut off, was not waited for.
AT_ONCE_S = 0.5
LOOK_S = 0.2


class Watch:
    """One client of each kind, from `start()` to `stop()`."""

    def __init__(self, target: Target, kinds: tuple[str, ...] = KINDS) -> None:
        self._target = target
        self._kinds = kinds
        #: There is a crowd beside them, for which a server may make room.
        self.is_crowded = False
        #: Its side of a connection can be seen.
        self._is_near = not target.anywhere
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._seen: dict[str, Dawdler] = {}

    def start(self) -> None:
        self._thread.start()

    def left(self) -> bool:
        """Whether one of them has not been ended yet."""
        seen = list(self._seen.values())
        all_there = len(seen) == len(self._kinds)
        return not all_there or any(each.ended_s is None for each in seen)

    def stop(self) -> list[Dawdler]:
        """What became of them so far."""
        self._stop.set()
        self._thread.join()
        return list(self._seen.values())

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            wires: dict[str, tuple[Wire, float]] = {}
            for kind in self._kinds:
                with contextlib.suppress(OSError):
                    wire = Wire(self._target, small=kind == "unread")
                    stack.callback(wire.reset)
                    self._begin(kind, wire)
                    wires[kind] = wire, time.monotonic()
                    self._seen[kind] = Dawdler(kind, 0.0)
            ticked = time.monotonic()
            while not self._stop.wait(LOOK_S):
                for kind, (wire, began) in list(wires.items()):
                    if self._look(self._seen[kind], wire, began):
                        del wires[kind]
                if time.monotonic() - ticked >= 1 and "trickle" in wires:
                    ticked = time.monotonic()
                    with contextlib.suppress(OSError):
                        wires["trickle"][0].sock.send(b"y")

    def _begin(self, kind: str, wire: Wire) -> None:
        if kind == "kept":
            wire.exchange()
        elif kind == "trickle":
            wire.send(self._target.request(fields=("X-Trickle: y",))[:-4])
        else:
            {
                "silent": say_nothing,
                "half": half_a_head,
                "body": half_a_body,
                "unread": read_nothing,
            }[kind](wire)
        wire.sock.setblocking(False)

    def _look(self, seen: Dawdler, wire: Wire, began: float) -> bool:
        """Note what has become of one; True when that is settled."""
        now = time.monotonic() - began
        seen.watched_s = now
        poll = select.poll()
        poll.register(wire.sock, 0 if seen.kind == "unread" else select.POLLIN)
        events = poll.poll(0)
        if seen.kind == "unread" and not events and self._is_near:
            _, peer, *_ = wire.sock.getsockname()
            if has_closed(self._target.port, peer):
                seen.ended_s, seen.crowded_out = now, self.is_crowded
                return True
        if not events:
            return False
        if seen.kind == "unread" or events[0][1] & select.POLLERR:
            seen.ended_s, seen.crowded_out = now, self.is_crowded
            return True
        try:
            data = wire.sock.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            if data.startswith(b"HTTP/1.") and data[9:12].isdigit():
                seen.status = int(data[9:12])
                seen.answered = now < AT_ONCE_S
            return False
        seen.ended_s, seen.crowded_out = now, self.is_crowded
        return True
