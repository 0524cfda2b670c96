"""Play a scenario: start the step, be its clients, and put both on one clock.

Format of a trace
    The JSON object format of Chrome's trace viewer, which Perfetto opens. Complete
    events (`"ph": "X"`) with `ts` and `dur` in microseconds since the first client
    began; a `thread_name` and a `thread_sort_index` for each lane. Lanes are the
    clients, the server's send queue towards a client where the kernel held something
    back, the operator who tells the server to stop while there are clients, and the
    server's threads.

    Names are those of the table in `lab/trace/recorder.py` and, in the clients' lanes,
    `connect`, `refused`, `send request`, `wait for head`, `wait for body`, `send half`,
    `silent`, `pause`, `not reading`, `send a byte`, `told`, `closed by the server`
    (`args.told`: whether its last answer had said so), `close`. A body that comes
    together with its head has no `wait for body`. Calls of `select()` in a row, between
    which the thread did nothing although somebody was ready, are one event `spin` with
    their number in `args.calls`. Where a thread could have gone on and did not run, it
    `wants the interpreter` or `wants a core`: that is concluded, `lab/trace/turns.py`
    says how. `cat` is `wait` or `work`; `args.request` counts a client's
    requests from 1; `args.client` names a client's lane; `args.on_core_ms` is how long
    the thread was on a core in an event of a millisecond or more. What happens in a
    handler lies within its `handler`, as in the calls that a profiler shows.

    `otherData`: `step`, `scenario` (its name) and `words` (what happens in it),
    `settings` (those of the step that are not its defaults), `gil`,
    `conclusions` (a line a request, computed from the events), `stats` (the server's
    own counts before it was stopped), `clock`, `recorded_utc`, `commit`, `dirty`,
    `machine`.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lab.paths import ROOT
from lab.trace.explain import Event, Trace, conclusions, is_wait
from lab.trace.scenarios import MAIN_THREAD, Client, Scenario
from lab.trace.turns import MEASURED, with_wants

START_LIMIT_S = 15.0
STOP_LIMIT_S = 10.0
CLIENT_LIMIT_S = 10.0
#: Until every thread of the server sleeps, before the first client begins.
SETTLE_S = 0.05
#: What the server does after the last client has left is shown for so long.
AFTERMATH_S = 0.001

#: A request for this path: what a client sends.
REQUEST = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
#: The last one of a client that wants the connection closed after the answer.
LAST_REQUEST = REQUEST[:-2] + "Connection: close\r\n\r\n"


class TraceError(Exception):
    """The trace could not be recorded; the message is one line."""


@dataclass
class Visit:
    """A client at work: what it did, in nanoseconds of the common clock."""

    name: str
    client: Client
    port: int
    events: list[tuple[str, int, int, dict[str, Any]]] = field(default_factory=list)
    own_ports: list[int] = field(default_factory=list)
    may_be_refused: bool = False
    error: Exception | None = None

    def run(self, begin: float) -> None:
        try:
            time.sleep(max(0.0, begin + self.client.after_s - time.monotonic()))
            self._visit()
        except ConnectionRefusedError as error:
            if not self.may_be_refused:
                self.error = error
                return
            with self._doing("refused"):
                pass
        except (OSError, TraceError) as error:
            self.error = error

    def _visit(self) -> None:
        client = self.client
        sock = self._connect()
        try:
            if client.sends == "bytes":
                self._send_bytes(sock)
                return
            if client.sends != "requests":
                if client.sends == "half a request":
                    with self._doing("send half"):
                        sock.sendall(REQUEST.format(path=client.path)[:-4].encode())
                with self._doing("silent"):
                    time.sleep(client.stays_s)
                return
            kept = True
            for number in range(1, client.requests + 1):
                if number > 1 and client.pause_s:
                    with self._doing("pause"):
                        time.sleep(client.pause_s)
                kept = self._ask(sock, number)
                if not kept and number < client.requests:
                    self._close(sock)
                    sock = self._connect()
            if client.stays:
                self._stay(sock, told=not kept)
        finally:
            self._close(sock)

    def _stay(self, sock: socket.socket, told: bool) -> None:
        with self._doing("silent"):
            if sock.recv(1):
                raise TraceError(f"{self.name} was sent more than it had asked for")
        with self._doing("closed by the server", told=told):
            pass

    def _send_bytes(self, sock: socket.socket) -> None:
        sock.settimeout(self.client.pause_s)
        request = REQUEST.format(path=self.client.path).encode()
        for number in range(1, len(request)):
            with self._doing("send a byte", number=number):
                sock.send(request[number - 1 : number])
            try:
                with self._doing("pause"):
                    answer = self._receive(sock)
            except TimeoutError:
                continue
            line = answer.partition(b"\r\n")[0].decode()
            with self._doing("told", status=line.partition(" ")[2]):
                return

    def _connect(self) -> socket.socket:
        with self._doing("connect"):
            sock = socket.socket()
            sock.settimeout(CLIENT_LIMIT_S)
            try:
                sock.connect(("127.0.0.1", self.port))
            except OSError:
                sock.close()
                raise
        self.own_ports.append(sock.getsockname()[1])
        return sock

    def _close(self, sock: socket.socket) -> None:
        with self._doing("close"):
            sock.close()

    def _ask(self, sock: socket.socket, number: int) -> bool:
        """Send a request and wait for its answer; whether the server keeps on."""
        last = self.client.closes and number == self.client.requests
        request = LAST_REQUEST if last else REQUEST
        with self._doing("send request", request=number):
            sock.sendall(request.format(path=self.client.path).encode())
        if self.client.reads_after_s:
            with self._doing("not reading", request=number):
                time.sleep(self.client.reads_after_s)
        received = b""
        with self._doing("wait for head", request=number):
            while b"\r\n\r\n" not in received:
                received += self._receive(sock)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
        left = int(length[1]) - len(body) if length else 0
        if left > 0:
            with self._doing("wait for body", request=number):
                while left > 0:
                    left -= len(self._receive(sock))
        return b"\r\nconnection: close" not in head.lower()

    def _receive(self, sock: socket.socket) -> bytes:
        data = sock.recv(65_536)
        if not data:
            raise TraceError(f"the server closed before it had answered {self.name}")
        return data

    @contextlib.contextmanager
    def _doing(self, name: str, **details: Any) -> Iterator[None]:
        start = time.monotonic_ns()
        try:
            yield
        finally:
            self.events.append((name, start, time.monotonic_ns(), details))


def record(
    step: str, scenario: Scenario, name: str = "", python: str = sys.executable
) -> Trace:
    """Play the scenario; takes its time and about half a second. Raises TraceError.

    python: what runs the step; the standard library is enough for it.
    """
    with subprocess.Popen(
        [
            *(python, "-m", "lab.trace.recorder", step, str(scenario.workers)),
            json.dumps(dict(scenario.settings)),
            *([scenario.half] if scenario.half else []),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = _port_of(process)
            time.sleep(SETTLE_S)
            visits = _visits(scenario, port, process)
            time.sleep(5 * AFTERMATH_S)
            output, _ = process.communicate(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise TraceError(f"{step} did not stop") from None
        finally:
            process.kill()
    for visit in visits:
        if visit.error:
            raise TraceError(f"{visit.name}: {visit.error}")
    return _assemble(step, name, scenario, visits, json.loads(output))


def _port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    late = threading.Timer(START_LIMIT_S, process.kill)
    late.start()
    line = process.stdout.readline()
    late.cancel()
    if not line:
        raise TraceError("the server did not start")
    return int(json.loads(line)["port"])


def _visits(
    scenario: Scenario, port: int, process: subprocess.Popen[str]
) -> list[Visit]:
    stops_after_s = scenario.stops_after_s
    stops = stops_after_s is not None
    visits = [
        Visit(f"client {number}", client, port, may_be_refused=stops)
        for number, client in enumerate(scenario.clients, start=1)
    ]
    begin = time.monotonic() + SETTLE_S / 5
    threads = [threading.Thread(target=v.run, args=(begin,)) for v in visits]
    if stops_after_s is not None:
        stops_at = begin + stops_after_s
        threads.append(threading.Thread(target=_stop, args=(process, stops_at)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return visits


def _stop(process: subprocess.Popen[str], stops_at: float) -> None:
    assert process.stdin is not None
    time.sleep(max(0.0, stops_at - time.monotonic()))
    with contextlib.suppress(BrokenPipeError):  # it has ended: communicate() tells
        process.stdin.write("stop\n")
        process.stdin.flush()


def _assemble(
    step: str,
    name: str,
    scenario: Scenario,
    visits: Sequence[Visit],
    server: dict[str, Any],
) -> Trace:
    names = {f"port {p}": v.name for v in visits for p in v.own_ports}
    names["MainThread"] = MAIN_THREAD.get(step, "loop")

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(
                r"port \d+|MainThread", lambda m: names.get(m[0], m[0]), value
            )
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return value

    raw = [
        (visit.name, what, start, end, details)
        for visit in visits
        for what, start, end, details in visit.events
    ]
    begin = min(start for _, _, start, _, _ in raw)
    finish = max(end for _, _, _, end, _ in raw) + int(AFTERMATH_S * 1e9)
    for thread, what, start, end, details in server["events"]:
        shown = scenario.send_queue or what != "held back"
        if shown and end >= begin and start <= finish:
            hidden = set() if scenario.send_queue else {"unsent", "unacknowledged"}
            if end > finish:
                hidden.add("ready")  # what ended it was the end of the recording
            known = {
                key: renamed(value)
                for key, value in details.items()
                if value is not None and key not in hidden
            }
            raw.append((renamed(thread), what, start, end, known))

    lanes = sorted({thread for thread, *_ in raw}, key=_lane_order)
    numbers = {lane: number for number, lane in enumerate(lanes, start=1)}
    events: list[Event] = []
    for thread, what, start, end, details in sorted(raw, key=lambda e: e[2]):
        start, end = max(start, begin), min(end, finish)
        events.append(
            {
                "ph": "X",
                "name": what,
                "cat": "wait" if is_wait(what) else "work",
                "pid": 1,
                "tid": numbers[thread],
                "ts": round((start - begin) / 1000, 1),
                "dur": round((end - start) / 1000, 1),
                "args": details,
            }
        )
    names_of = {number: lane for lane, number in numbers.items()}
    all_events = with_wants(_without_spins(events), names_of, server["gil"])
    trace: Trace = {
        "traceEvents": [*_metadata(step, numbers), *all_events],
        "displayTimeUnit": "ms",
        "otherData": {
            "step": step,
            "scenario": name,
            "words": scenario.words,
            "settings": dict(scenario.settings),
            "gil": server["gil"],
            "conclusions": [],
            "stats": server["stats"],
            "clock": "CLOCK_MONOTONIC, the same in clients and server",
        },
    }
    trace["otherData"]["conclusions"] = conclusions(trace)
    return trace


def _lane_order(lane: str) -> tuple[int, int, str]:
    kinds = ("client", "queue", "operator", "acceptor", "loop", "keeper", "worker")
    kind = next((n for n, kind in enumerate(kinds) if lane.startswith(kind)), 9)
    number = re.search(r"\d+", lane)
    return kind, int(number[0]) if number else 0, lane


def _metadata(step: str, lanes: dict[str, int]) -> Iterator[Event]:
    def about(what: str, tid: int, **args: Any) -> Event:
        return {"ph": "M", "name": what, "pid": 1, "tid": tid, "args": args}

    yield about("process_name", 0, name=step)
    for lane, number in lanes.items():
        yield about("thread_name", number, name=lane)
        yield about("thread_sort_index", number, sort_index=number)


def _without_spins(events: Sequence[Event]) -> list[Event]:
    """Calls of `select()` that found somebody ready, and after which the thread did
    nothing but call it again, become one event `spin`."""

    def for_nothing(event: Event) -> str:
        if event["name"] != "select" or not event["args"].get("ready"):
            return ""
        told = {k: v for k, v in event["args"].items() if k not in MEASURED}
        return json.dumps(told)

    found: list[Event] = []
    for _, lane in groupby(sorted(events, key=_by_lane), key=lambda e: e["tid"]):
        for nothing, group in groupby(lane, key=for_nothing):
            row = list(group)
            found += [_spin(row)] if nothing and len(row) > 1 else row
    return sorted(found, key=lambda e: (e["ts"], -e["dur"]))


def _by_lane(event: Event) -> tuple[int, float]:
    return event["tid"], event["ts"]


def _spin(row: Sequence[Event]) -> Event:
    first, last = row[0], row[-1]
    told = {k: v for k, v in first["args"].items() if k not in MEASURED}
    args = {**told, "calls": len(row)}
    dur = round(last["ts"] + last["dur"] - first["ts"], 1)
    return {**first, "name": "spin", "cat": "work", "dur": dur, "args": args}
