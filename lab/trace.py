"""A timeline of what each thread of a step did, and what its clients saw, on one clock.

`python -m lab trace step06` plays the step's scenario: it starts the step in a process
of its own (`lab/traced.py` notes what the threads do), is the clients itself, draws the
lanes in the terminal and says of each request where its time went. `--output FILE`
writes the trace as well; `--record-all` writes those that the book prints.

Format
    The JSON object format of Chrome's trace viewer, which Perfetto opens. Complete
    events (`"ph": "X"`) with `ts` and `dur` in microseconds since the first client
    began; a `thread_name` and a `thread_sort_index` for each lane. Lanes are the
    clients, the server's send queue towards a client where the kernel held something
    back, and the server's threads.

    Names are those of the table in `lab/traced.py` and, in the clients' lanes,
    `connect`, `send request`, `wait for head`, `wait for body`, `send half`, `silent`,
    `pause`, `not reading`, `send a byte`, `told`, `close`. A body that comes together
    with its head has no `wait for body`. Calls of `select()` in a row, between which
    the thread did nothing although somebody was ready, are one event `spin` with their
    number in `args.calls`. `cat` is `wait` or `work`; `args.request` counts a client's
    requests from 1; `args.client` names a client's lane.

    `otherData`: `step`, `scenario` (its name) and `words` (what happens in it),
    `conclusions` (a line a request, computed from the events), `stats` (the server's
    own counts before it was stopped), `clock`, `recorded_utc`, `commit`, `dirty`,
    `machine`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT / "docs" / "measurements" / "traces"

START_LIMIT_S = 15.0
STOP_LIMIT_S = 10.0
CLIENT_LIMIT_S = 10.0
#: Until every thread of the server sleeps, before the first client begins.
SETTLE_S = 0.05
#: What the server does after the last client has left is shown for so long.
AFTERMATH_S = 0.001
#: A request that took less has no gap worth a word.
GAP_MS = 5.0
#: What takes less than this share of a gap does not explain it.
LEAST_SHARE = 0.1
#: What a thread does that has nothing to do.
IDLE = ("select", "wait for a job")

#: A request for this path: what a client sends.
REQUEST = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

Event = dict[str, Any]
Trace = dict[str, Any]


class TraceError(Exception):
    """The trace could not be recorded; the message is one line."""


@dataclass(frozen=True)
class Client:
    """What one client does."""

    requests: int = 3
    path: str = "/"
    sends: Literal["requests", "half a request", "nothing", "bytes"] = "requests"
    #: How long after the first client it comes.
    after_s: float = 0.0
    #: How long it stays if it sends nothing or half a request.
    stays_s: float = 0.0
    #: How long it waits between an answer and its next request; or between two bytes,
    #: where it sends those one by one until the server has something to say.
    pause_s: float = 0.0
    #: How long after a request it begins to read the answer.
    reads_after_s: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """What happens in a trace."""

    words: str
    clients: Sequence[Client]
    workers: int = 4
    #: The step's settings that are not its defaults.
    settings: Mapping[str, float] = field(default_factory=dict)
    #: Whether to show what the server's kernel holds back. Not before chapter 06.
    send_queue: bool = False


THREE = (Client(),)
NEWCOMER = (Client(requests=2), Client(requests=1, after_s=0.06))
#: One asks for a page that takes its time, the other does not.
SLOW = (Client(requests=1, path="/sleep/60"), Client(requests=1, after_s=0.01))
UNREAD = Scenario(
    "Client 1 asks for 10 MB and begins to read them after 60 ms. Client 2 comes 30 ms "
    "after it and sends three requests.",
    (
        Client(requests=1, path="/bytes/10000000", reads_after_s=0.06),
        Client(requests=3, after_s=0.03),
    ),
)

#: Step -> name -> scenario. The first of a step is its lesson.
SCENARIOS: dict[str, dict[str, Scenario]] = {
    "step01": {
        "silent": Scenario(
            "Client 1 connects, says nothing and leaves after 60 ms. Client 2 comes "
            "10 ms after it and sends a request.",
            (
                Client(sends="nothing", stays_s=0.06),
                Client(requests=1, after_s=0.01),
            ),
        )
    },
    "step02": {
        "half": Scenario(
            "Clients 1 to 4 send half a request each and leave after 60 ms. Client 5 "
            "comes 10 ms after them and sends a whole one.",
            (
                *[Client(sends="half a request", stays_s=0.06)] * 4,
                Client(requests=1, after_s=0.01),
            ),
        )
    },
    "step03": {
        "alone": Scenario("One client sends three requests on one connection.", THREE),
        "newcomer": Scenario(
            "Client 1 sends two requests on one connection. Client 2 comes 60 ms "
            "after it and sends one.",
            NEWCOMER,
        ),
    },
    "step04": {
        "busy": Scenario(
            "There is one worker. Client 1 sends half a request and leaves after "
            "30 ms. Client 2 comes 5 ms after it and sends a whole one.",
            (
                Client(sends="half a request", stays_s=0.03),
                Client(requests=1, after_s=0.005),
            ),
            workers=1,
        )
    },
    "step05": {
        "alone": Scenario("One client sends three requests on one connection.", THREE),
        "newcomer": Scenario(
            "Client 1 sends two requests on one connection. Client 2 comes 60 ms "
            "after it and sends one.",
            NEWCOMER,
        ),
    },
    "step06": {
        "alone": Scenario(
            "One client sends three requests on one connection.",
            THREE,
            send_queue=True,
        ),
        "pause": Scenario(
            "One client sends three requests on one connection, with 60 ms between "
            "an answer and the next request.",
            (Client(pause_s=0.06),),
            send_queue=True,
        ),
    },
    "step07": {
        "alone": Scenario(
            "One client sends three requests on one connection.",
            THREE,
            send_queue=True,
        )
    },
    "step08": {
        "slow": Scenario(
            "Client 1 asks for a page that takes 60 ms; client 2 comes 10 ms after it.",
            SLOW,
        ),
        "unread": UNREAD,
    },
    "step09": {"unread": UNREAD},
    "step10": {
        "slow": Scenario(
            "Client 1 asks for a page that takes 60 ms; client 2 comes 10 ms after it.",
            SLOW,
        ),
        "occupied": Scenario(
            "Clients 1 to 4 ask for a page that takes 60 ms; client 5 comes 10 ms "
            "after them and asks for one that takes no time.",
            (*[Client(requests=1, path="/sleep/60")] * 4, SLOW[1]),
        ),
        "computing": Scenario(
            "Clients 1 and 2 ask for a page that takes 30 ms of computing. Client 3 "
            "comes 10 ms after them and asks twice for one that takes no time.",
            (
                *[Client(requests=1, path="/spin/30")] * 2,
                Client(requests=2, after_s=0.01),
            ),
        ),
    },
    "step11": {
        "bytes": Scenario(
            "A head may take half a second. Client 1 sends a byte of one every 50 ms. "
            "Client 2 comes 100 ms after it and sends three requests, with 200 ms "
            "between an answer and the next request.",
            (
                Client(sends="bytes", pause_s=0.05),
                Client(requests=3, after_s=0.1, pause_s=0.2),
            ),
            workers=1,
            settings={"header_timeout": 0.5},
        )
    },
    "step14": {
        "alone": Scenario(
            "One client sends two requests on one connection. Handlers run in the "
            "loop.",
            (Client(requests=2),),
            workers=0,
        )
    },
}

#: What the thread that calls `run()` is for; in the other steps it is the loop.
MAIN_THREAD = {"step04": "acceptor", "step06": "acceptor", "step07": "acceptor"}


def file_of(step: str, name: str) -> Path:
    """Where the book's trace of a scenario is: `timeline(step, name)` in a chapter."""
    first = next(iter(SCENARIOS[step]))
    return TRACES / (f"{step}.json" if name == first else f"{step}-{name}.json")


# -- recording ----------------------------------------------------------------


@dataclass
class Visit:
    """A client at work: what it did, in nanoseconds of the common clock."""

    name: str
    client: Client
    port: int
    events: list[tuple[str, int, int, dict[str, Any]]] = field(default_factory=list)
    own_ports: list[int] = field(default_factory=list)
    error: Exception | None = None

    def run(self, begin: float) -> None:
        try:
            time.sleep(max(0.0, begin + self.client.after_s - time.monotonic()))
            self._visit()
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
            for number in range(1, client.requests + 1):
                if number > 1 and client.pause_s:
                    with self._doing("pause"):
                        time.sleep(client.pause_s)
                if not self._ask(sock, number) and number < client.requests:
                    self._close(sock)
                    sock = self._connect()
        finally:
            self._close(sock)

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
            sock.connect(("127.0.0.1", self.port))
        self.own_ports.append(sock.getsockname()[1])
        return sock

    def _close(self, sock: socket.socket) -> None:
        with self._doing("close"):
            sock.close()

    def _ask(self, sock: socket.socket, number: int) -> bool:
        """Send a request and wait for its answer; whether the server keeps on."""
        with self._doing("send request", request=number):
            sock.sendall(REQUEST.format(path=self.client.path).encode())
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


def record(step: str, scenario: Scenario, name: str = "") -> Trace:
    """Play the scenario; takes its time and about half a second. Raises TraceError."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "lab.traced", step, str(scenario.workers)),
            json.dumps(dict(scenario.settings)),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = _port_of(process)
            time.sleep(SETTLE_S)
            visits = _visits(scenario, port)
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


def _visits(scenario: Scenario, port: int) -> list[Visit]:
    visits = [
        Visit(f"client {number}", client, port)
        for number, client in enumerate(scenario.clients, start=1)
    ]
    begin = time.monotonic() + SETTLE_S / 5
    threads = [threading.Thread(target=v.run, args=(begin,)) for v in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return visits


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
    trace: Trace = {
        "traceEvents": [*_metadata(step, numbers), *_without_spins(events)],
        "displayTimeUnit": "ms",
        "otherData": {
            "step": step,
            "scenario": name,
            "words": scenario.words,
            "conclusions": [],
            "stats": server["stats"],
            "clock": "CLOCK_MONOTONIC, the same in clients and server",
        },
    }
    trace["otherData"]["conclusions"] = conclusions(trace)
    return trace


def is_wait(name: str) -> bool:
    """Whether a thread sleeps in an event of this name."""
    return name.startswith("wait ") or name in (
        "select",
        "silent",
        "pause",
        "not reading",
        "lock wait",
    )


def _lane_order(lane: str) -> tuple[int, int, str]:
    kinds = ("client", "queue", "acceptor", "loop", "keeper", "worker")
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
        return json.dumps(event["args"])

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
    args = {**first["args"], "calls": len(row)}
    dur = round(last["ts"] + last["dur"] - first["ts"], 1)
    return {**first, "name": "spin", "cat": "work", "dur": dur, "args": args}


# -- reading ------------------------------------------------------------------


def lanes_of(trace: Trace) -> dict[str, list[Event]]:
    """The timed events of each lane, in order; lanes as they are to be drawn."""
    lanes: dict[int, tuple[str, list[Event]]] = {}
    for event in trace["traceEvents"]:
        if event["name"] == "thread_name":
            lanes[event["tid"]] = (event["args"]["name"], [])
        elif event["ph"] == "X":
            lanes[event["tid"]][1].append(event)
    return dict(lanes.values())


def conclusions(trace: Trace) -> list[str]:
    """For each request, in the order sent: its longest gap, and what filled it."""
    lanes = lanes_of(trace)
    clients = [lane for lane in lanes if lane.startswith("client")]
    asked: list[tuple[float, str]] = []
    for client in clients:
        for event in lanes[client]:
            if event["name"] == "send request":
                number = event["args"]["request"]
                who = f"request {number}"
                if len(clients) > 1:
                    who = f"{client}, {who}"
                text = f"{who}: {_conclusion(lanes, client, number)}"
                asked.append((event["ts"], text))
            elif event["name"] == "told":
                sent = [e for e in lanes[client] if e["name"] == "send a byte"]
                took = (event["ts"] - sent[0]["ts"]) / 1000
                told = event["args"]["status"]
                text = f"{len(sent)} bytes in {took:.0f} ms, and then was told {told}"
                asked.append((event["ts"], f"{client} sent {text}"))
    return [text for _, text in sorted(asked)]


def _conclusion(lanes: dict[str, list[Event]], client: str, number: int) -> str:
    events = [e for e in lanes[client] if e["args"].get("request") == number]
    waits = [e for e in events if e["name"].startswith("wait for")]
    for slow in (e for e in events if e["name"] == "not reading"):
        took = (_end(waits[-1]) - _end(slow)) / 1000
        text = f"not read for {slow['dur'] / 1000:.0f} ms, then in {took:.1f} ms"
        return f"{text}; the kernel took {_sent(lanes, client)}"
    total = (_end(waits[-1]) - events[0]["ts"]) / 1000
    if total < GAP_MS:
        return f"answered in {total:.1f} ms"
    gap = max(waits, key=lambda e: float(e["dur"]))
    before = {
        "wait for head": "until the head arrived",
        "wait for body": "between the head's arrival and the body's",
    }[gap["name"]]
    text = f"{gap['dur'] / 1000:.1f} ms {before}; meanwhile "
    servers = {
        lane: found
        for lane, all_events in lanes.items()
        if not lane.startswith(("client", "queue"))
        and (found := _main(all_events, gap))
    }
    if all(is_wait(found[0]["name"]) for found in servers.values()):
        text += "every thread of the server slept: "
    said: dict[str, list[str]] = {}
    for lane, found in servers.items():
        said.setdefault(_described(found), []).append(lane)
    text += "; ".join(f"{_listed(who)} {what}" for what, who in said.items())
    idle = gap["name"] == "wait for head" and all(
        found[0]["name"] in IDLE for found in servers.values()
    )
    watched = [
        w for found in servers.values() for w in found[0]["args"].get("watched", ())
    ]
    if idle and client not in watched:
        text += f"; nobody watched {client}"
    for held in _main(lanes.get(f"queue to {client}", []), gap)[:1]:
        text += (
            f"; the server's kernel held {held['args']['unsent']} bytes back until "
            f"{held['args']['unacknowledged']} were acknowledged"
        )
    return text


def _sent(lanes: dict[str, list[Event]], client: str) -> str:
    """How many bytes the server's calls gave the kernel for this client, and when."""
    sends = sorted(
        (event["ts"], lane, event["name"], event["args"]["bytes"])
        for lane, events in lanes.items()
        for event in events
        if event["args"].get("client") == client
        and event["name"] in ("send head", "send body", "send both", "wait to send")
        and event["args"]["bytes"]
    )
    parts: list[str] = []
    for ts, lane, name, count in sends:
        later = (ts - sends[0][0]) / 1000
        when = f"{later:.0f} ms later" if parts else "at once"
        if name == "wait to send":
            when = f"while {lane} waited"
        parts.append(f"{count:,} bytes {when}")
    return ", ".join(parts)


def _main(events: Sequence[Event], gap: Event) -> list[Event]:
    """Those of one name that fill most of a gap, longest first."""
    found: dict[str, float] = {}
    for event in events:
        found[event["name"]] = found.get(event["name"], 0) + _overlap(event, gap)
    name = max(found, key=lambda name: found[name], default="")
    if not name or found[name] < LEAST_SHARE * gap["dur"]:
        return []
    filling = [e for e in events if e["name"] == name and _overlap(e, gap) > 0]
    return sorted(filling, key=lambda e: -_overlap(e, gap))


def _described(events: Sequence[Event]) -> str:
    name, args = events[0]["name"], events[0]["args"]
    match name:
        case "select":
            return f"in select({', '.join(args['watched'])})"
        case "wait for a job":
            return "waiting for a job"
        case "wait to receive":
            return f"waiting to receive from {args['client']}"
        case "wait to send":
            return f"waiting for {args['client']} to read"
        case "handler":
            return f"in the handler of {args['target']}"
        case "spin":
            calls = sum(e["args"]["calls"] for e in events)
            return f"calling select() {calls:,} times for nothing"
    return f"in {name}"


def _listed(lanes: Sequence[str]) -> str:
    if len(lanes) > 2 and all(lane.startswith("worker") for lane in lanes):
        return f"{len(lanes)} workers"
    return " and ".join(lanes)


def _end(event: Event) -> float:
    return float(event["ts"] + event["dur"])


def _overlap(event: Event, other: Event) -> float:
    start = max(event["ts"], other["ts"])
    return max(0.0, min(_end(event), _end(other)) - float(start))


# -- the terminal ---------------------------------------------------------------

#: What a cell of the picture shows, the most telling first.
_SIGNS = (
    ("▒", "spins", lambda e: e["name"] == "spin"),
    ("█", "works", lambda e: e["cat"] == "work" and e["name"] != "held back"),
    ("▓", "held back by the kernel", lambda e: e["name"] == "held back"),
    ("═", "waits for the body", lambda e: e["name"] == "wait for body"),
    ("─", "waits for the head", lambda e: e["name"] == "wait for head"),
    ("·", "sleeps", lambda e: True),
)


def draw(trace: Trace, width: int = 64) -> str:
    """The lanes, each a line of `width` cells, and what the signs mean."""
    lanes = lanes_of(trace)
    last = max(_end(e) for events in lanes.values() for e in events)
    margin = max(map(len, lanes)) + 2
    title = f"0 ms{last / 1000:>{width - 7}.0f} ms"
    lines = [" " * margin + title]
    shown = set()
    for lane, events in lanes.items():
        cells = [" "] * width
        for sign, _, test in reversed(_SIGNS):
            for event in filter(test, events):
                first = int(event["ts"] / last * width)
                # What ends within a cell does not have it, unless it began there.
                end = max(int(_end(event) / last * width), first + 1)
                cells[first:end] = sign * (min(end, width) - first)
        shown |= set(cells)
        lines.append(f"{lane:{margin}}{''.join(cells)}".rstrip())
    legend = "   ".join(f"{sign} {words}" for sign, words, _ in _SIGNS if sign in shown)
    return "\n".join([*lines, legend])


def listing(trace: Trace) -> str:
    """Every event, a line each."""
    rows = sorted(
        (event["ts"], event["dur"], lane, event["name"], event["args"])
        for lane, events in lanes_of(trace).items()
        for event in events
    )
    return "\n".join(
        f"{ts / 1000:9.3f} {dur / 1000:9.3f}  {lane:18} {name}  {_noted(args)}".rstrip()
        for ts, dur, lane, name, args in rows
    )


def _noted(args: dict[str, Any]) -> str:
    def shown(value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else str(value)

    return "; ".join(f"{key}: {shown(value)}" for key, value in args.items())


# -- the command ----------------------------------------------------------------


def save(trace: Trace, path: Path) -> None:
    """Write the trace, an event a line, with where and when it was recorded."""
    from lab.machine import Cores, commit, describe_machine

    head, dirty = commit()
    machine = describe_machine(Cores()).model_dump(
        include={"system", "release", "arch", "cpu_model", "cores", "python", "kernel"}
    )
    trace["otherData"] |= {
        "recorded_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": head,
        "dirty": dirty,
        "machine": machine,
    }
    events = ",\n".join(json.dumps(event) for event in trace["traceEvents"])
    rest = json.dumps({k: v for k, v in trace.items() if k != "traceEvents"}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"traceEvents": [\n{events}\n],{rest[1:]}\n', encoding="utf-8")


def chosen(
    step: str, name: str, requests: int | None, connections: int | None
) -> tuple[str, Scenario]:
    """The step's scenario of that name, or so many clients with so many requests."""
    if requests is None and connections is None:
        scenarios = SCENARIOS[step]
        name = name or next(iter(scenarios))
        if name not in scenarios:
            raise TraceError(f"{step} has no scenario {name}: {', '.join(scenarios)}")
        return name, scenarios[name]
    count, clients = requests or 3, connections or 1
    words = f"Clients: {clients}. Requests that each of them sends: {count}."
    return "", Scenario(words, (Client(requests=count),) * clients, send_queue=True)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab trace",
        description="A timeline of a step's threads and of its clients, on one clock.",
    )
    parser.add_argument("step", choices=SCENARIOS, nargs="?")
    parser.add_argument("scenario", nargs="?", default="", help="default: its lesson")
    parser.add_argument(
        "--requests", type=int, metavar="N", help="instead of a scenario"
    )
    parser.add_argument("--connections", type=int, metavar="N", help="the same")
    parser.add_argument("--events", action="store_true", help="list them, in ms")
    parser.add_argument("--output", type=Path, metavar="FILE", help="for Perfetto")
    parser.add_argument(
        "--record-all", action="store_true", help="write those that the book prints"
    )
    options = parser.parse_args(argv)
    try:
        if options.record_all:
            return _record_all()
        if not options.step:
            parser.error("which step?")
        name, scenario = chosen(
            options.step, options.scenario, options.requests, options.connections
        )
        trace = record(options.step, scenario, name)
    except TraceError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{options.step}: {scenario.words}\n")
    print(listing(trace) if options.events else draw(trace), end="\n\n")
    for line in trace["otherData"]["conclusions"]:
        print(re.sub(r"; (?!meanwhile)|(?<=slept): ", "\n    ", line))
    if options.output:
        save(trace, options.output)
        print(f"\nwritten to {options.output}, which Perfetto opens")
    return 0


def _record_all() -> int:
    for step, scenarios in SCENARIOS.items():
        for name, scenario in scenarios.items():
            trace = record(step, scenario, name)
            path = file_of(step, name)
            save(trace, path)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
            for line in trace["otherData"]["conclusions"]:
                print(f"  {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
