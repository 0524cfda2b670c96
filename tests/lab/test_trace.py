"""What a trace shows, judged by what happened in which order and not by a stopwatch."""

import copy
import itertools
import json
import os
import queue
import re
import select
import selectors
import socket
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from lab.record.names import NODELAY_FLAG, ONE_WRITE_FLAG
from lab.trace import command, draw, explain
from lab.trace import play as trace
from lab.trace import recorder as traced
from lab.trace.command import core_wait_ms, later_waits_ms
from lab.trace.explain import Event, conclusions, lanes_of, one_at_a_time
from lab.trace.scenarios import SCENARIOS, Client, Scenario, file_of
from lab.trace.turns import with_wants
from steps.http11 import Request, Response

IN_BOOK = [(step, name) for step, found in SCENARIOS.items() for name in found]
#: As often as a machine that is busy may get in the way of what is to be seen.
REQUESTS = 5
ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's queue and its 40 ms are Linux's"
)


def play(step: str, **changes: Any) -> dict[str, list[Event]]:
    scenario = Scenario("", (Client(requests=REQUESTS),), send_queue=True)
    return lanes_of(trace.record(step, replace(scenario, **changes)))


def named(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event["name"] == name]


def start(event: Event) -> float:
    return float(event["ts"])


def end(event: Event) -> float:
    return float(event["ts"] + event["dur"])


def server_events(lanes: dict[str, list[Event]]) -> list[Event]:
    lists = (
        events
        for lane, events in lanes.items()
        if not lane.startswith(("client", "queue"))
    )
    return sorted(itertools.chain.from_iterable(lists), key=start)


@ON_LINUX
def test_step06_waits_in_the_kernel_and_in_no_thread() -> None:
    lanes = play("step06")
    client, server = lanes["client 1"], server_events(lanes)
    sends = named(server, "send body")
    assert len(sends) == REQUESTS

    held = named(lanes.get("queue to client 1", []), "held back")
    assert held, "no body was held back"
    for wait in held:
        assert wait["args"]["unsent"] == 70
        assert (
            wait["args"]["unacknowledged"]
            == named(server, "send head")[0]["args"]["bytes"]
        )
        send = max((s for s in sends if end(s) <= start(wait)), key=start)
        body = min(
            (e for e in named(client, "wait for body") if end(e) > start(wait)),
            key=start,
        )
        # The program has sent the body; the client has the head, and not the body.
        assert send["args"]["unsent"] == 70
        assert end(send) < end(body)
        # Between the two the program does nothing for it.
        between = [e for e in server if end(send) < start(e) and end(e) < end(body)]
        done = {e["name"] for e in between if not explain.is_want(e["name"])}
        assert done <= {"wake", "drain", "select"}


@ON_LINUX
def test_step06_is_told_in_words() -> None:
    scenario = replace(SCENARIOS["step06"]["alone"], clients=(Client(REQUESTS),))
    told = trace.record("step06", scenario)["otherData"]["conclusions"]
    assert [line.partition(":")[0] for line in told] == [
        f"request {n}" for n in range(1, REQUESTS + 1)
    ]
    assert re.search(
        r"ms between the head's arrival and the body's; meanwhile every thread of the "
        r"server slept: .*keeper in select\(pipe, client 1\); .*; the server's kernel "
        r"held 70 bytes back until \d+ were acknowledged",
        "\n".join(told),
    )


def test_step07_never_waits_for_an_acknowledgement() -> None:
    lanes = play("step07")
    assert len(named(server_events(lanes), "send both")) == REQUESTS
    assert len(named(lanes["client 1"], "wait for head")) == REQUESTS
    # Head and body come together, and nothing stays behind.
    assert named(lanes["client 1"], "wait for body") == []
    assert [lane for lane in lanes if lane.startswith("queue")] == []


@pytest.mark.parametrize("step", ["step03", "step05"])
def test_nobody_watches_a_connection_that_is_handed_back(step: str) -> None:
    recorded = trace.record(step, Scenario("", (Client(requests=REQUESTS),)))
    lanes = lanes_of(recorded)
    selects = named(lanes["loop"], "select")
    stuck = 0
    for asked in named(lanes["client 1"], "send request")[1:]:
        asleep = next((s for s in selects if start(s) < end(asked) < end(s)), None)
        if asleep is None or "client 1" in asleep["args"]["watched"]:
            continue  # the worker and the client were quicker than the loop
        then = selects[selects.index(asleep) + 1]
        assert asleep["args"]["ready"] == []
        assert then["args"]["ready"] == ["client 1"]
        stuck += 1
    assert stuck, "every request was watched for at once"
    assert "nobody watched client 1" in "\n".join(conclusions(recorded))


def test_step04_spins_while_its_worker_waits_for_another_client() -> None:
    half = Client(sends="half a request", stays_s=0.4)
    clients = (half, Client(requests=1, after_s=0.02))
    recorded = trace.record("step04", Scenario("", clients, workers=1))
    lanes = lanes_of(recorded)
    blocked = named(lanes["worker-1"], "wait to receive")[0]
    assert blocked["args"]["client"] == "client 1"
    spins = [s for s in named(lanes["keeper"], "spin") if start(s) < end(blocked)]
    assert any(s["args"]["ready"] == ["client 2"] for s in spins)
    told = "\n".join(recorded["otherData"]["conclusions"])
    assert re.search(r"calling select\(\) [\d,]+ times for nothing", told)


SIZE = 20_000_000
UNREAD = (
    Client(requests=1, path=f"/bytes/{SIZE}", reads_after_s=0.2),
    Client(requests=REQUESTS, after_s=0.1),
)


def test_step08_waits_for_a_client_to_read() -> None:
    recorded = trace.record("step08", Scenario("", UNREAD))
    lanes = lanes_of(recorded)
    (waiting,) = named(lanes["loop"], "wait to send")
    (took,) = (e for e in named(lanes["loop"], "send both") if e["args"]["bytes"] > 500)
    assert took["args"]["bytes"] + waiting["args"]["bytes"] > SIZE
    (not_reading,) = named(lanes["client 1"], "not reading")
    assert end(waiting) > end(not_reading)
    # All that client 2 asks for, it gets after that.
    others = [e for e in named(lanes["loop"], "send both") if e is not took]
    assert [e for e in others if start(e) < end(waiting)] == []
    told = "\n".join(recorded["otherData"]["conclusions"])
    assert "loop waiting for client 1 to read" in told
    assert re.search(r"bytes at once, [\d,]+ bytes while loop waited", told)


#: So many times as long client 1 does not read, where the machine is busy.
PATIENCE = (1, 5, 25)


def test_step09_watches_for_room_and_serves_others() -> None:
    first_client, second_client = UNREAD
    for times in PATIENCE:
        reads_after_s = first_client.reads_after_s * times
        first_client_waits = replace(first_client, reads_after_s=reads_after_s)
        scenario = Scenario("", (first_client_waits, second_client))
        recorded = trace.record("step09", scenario)
        lanes = lanes_of(recorded)
        (not_reading,) = named(lanes["client 1"], "not reading")
        if end(lanes["client 2"][-1]) < end(not_reading):
            break  # there was time for what is to be seen
    loop = lanes["loop"]
    sends = [e for e in loop if e["args"].get("bytes", 0) > 500]
    assert sum(e["args"]["bytes"] for e in sends) > SIZE
    assert [e["name"] for e in sends] == ["send both"] + ["send body"] * (
        len(sends) - 1
    )
    first, second = sends[:2]
    assert end(first) < end(not_reading) < start(second)
    between = [e for e in loop if end(first) <= start(e) < start(second)]
    for asked in named(between, "select"):
        assert "client 1 to send" in asked["args"]["watched"]
    assert len(named(between, "send both")) == REQUESTS  # client 2's
    told = "\n".join(recorded["otherData"]["conclusions"])
    assert re.search(r"bytes at once, [\d,]+ bytes \d+ ms later", told)


def test_step10_hands_requests_over_and_no_sockets() -> None:
    lanes = play("step10", clients=(Client(requests=REQUESTS, path="/sleep/5"),))
    assert len(named(lanes["loop"], "hand over")) == REQUESTS
    for lane, events in lanes.items():
        if lane.startswith("worker"):
            names = {e["name"] for e in events if not explain.is_want(e["name"])}
            assert names <= {"wait for a job", "handler", "sleep", "wake"}
    assert len(named(lanes["loop"], "drain")) >= REQUESTS  # it slept each time


def test_step12_finishes_what_has_begun_when_it_is_told_to_stop() -> None:
    scenario = SCENARIOS["step12"]["drain"]
    # Not a stopwatch: whatever the machine does, the page takes longer than that.
    busy = replace(scenario.clients[0], path="/sleep/600")
    clients = (busy, *scenario.clients[1:3], replace(scenario.clients[3], after_s=0.4))
    recorded = trace.record("step12", replace(scenario, clients=clients))
    lanes = lanes_of(recorded)
    (stop,) = named(lanes["operator"], "stop")

    # The one that was busy, and the one whose request came later, had their answers.
    for client in ("client 1", "client 3"):
        *_, head = named(lanes[client], "wait for head")
        (closed,) = named(lanes[client], "closed by the server")
        assert start(stop) < end(head) <= start(closed)
        assert closed["args"] == {"told": True}
    # An idle one cannot be told, and is given time.
    (idle,) = named(lanes["client 2"], "closed by the server")
    assert start(idle) - start(stop) > 500_000
    assert idle["args"] == {"told": False}
    # Nobody listens any more.
    assert [e["name"] for e in lanes["client 4"]] == ["connect", "refused"]
    (shut,) = (
        e for e in named(lanes["loop"], "close") if e["args"]["client"] == "listener"
    )
    assert start(stop) < start(shut) < start(idle)

    told = "\n".join(recorded["otherData"]["conclusions"])
    assert re.search(r"client 1: closed by the server \d+ ms after the stop, as", told)
    assert re.search(r"client 2: closed by the server \d+ ms .*, without a word", told)
    assert re.search(r"client 4: refused \d+ ms after the stop", told)


def test_a_client_is_refused_after_a_stop_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    for may_be_refused in (False, True):
        visit = trace.Visit("", Client(), port, may_be_refused=may_be_refused)
        visit.run(0.0)
        assert isinstance(visit.error, ConnectionRefusedError) != may_be_refused


@pytest.mark.parametrize(("step", "name"), IN_BOOK)
def test_server_and_clients_agree(step: str, name: str) -> None:
    scenario = SCENARIOS[step][name]
    recorded = trace.record(step, scenario, name)
    lanes = lanes_of(recorded)
    server = server_events(lanes)
    assert [lane for lane in lanes if lane.startswith("client")] == [
        f"client {n}" for n in range(1, len(scenario.clients) + 1)
    ]
    # A thread does one thing at a time.
    for events in map(one_at_a_time, lanes.values()):
        for one, next_one in itertools.pairwise(sorted(events, key=start)):
            assert end(one) <= start(next_one) + 0.2  # rounding

    asked = ends = 0
    for number, client in enumerate(scenario.clients, start=1):
        lane = lanes[f"client {number}"]
        requests = named(lane, "send request")
        refused = named(lane, "refused")
        asks = client.sends == "requests" and not refused
        assert len(requests) == (client.requests if asks else 0)
        assert len(named(lane, "closed by the server")) == client.stays
        ends += len(refused) + client.stays
        told = named(lane, "told")
        assert len(told) == (client.sends == "bytes")
        asked += len(requests)
        mine = [e for e in server if e["args"].get("client") == f"client {number}"]
        received = [e for e in mine if e["name"].endswith("receive")]
        sent = [e for e in mine if e["name"] in ("send head", "send both")]
        for request, head, answer in zip(
            requests, named(lane, "wait for head"), sent[len(told) :], strict=True
        ):
            # One clock: nothing is received before it is sent.
            assert any(start(request) < end(e) < start(answer) for e in received)
            assert start(answer) < end(head)
        for event in told:
            assert start(sent[0]) < start(event)
            came = [e for e in received if end(e) < start(sent[0])]
            assert 1 < len(came) <= len(named(lane, "send a byte"))
    assert len(named(server, "handler")) == asked
    said = [c for c in scenario.clients if c.sends == "bytes"]
    assert len(recorded["otherData"]["conclusions"]) == asked + len(said) + ends


def test_every_name_is_documented() -> None:
    text = " ".join(f"{trace.__doc__}{traced.__doc__}".split())
    documented = set(re.findall(r"`([\w ]+)`", text))
    for step, name in IN_BOOK:
        recorded = json.loads(file_of(step, name).read_text())
        names = {e["name"] for e in recorded["traceEvents"] if e["ph"] == "X"}
        assert names <= documented


@pytest.mark.parametrize(("step", "name"), IN_BOOK)
def test_what_the_book_prints_is_recorded(step: str, name: str) -> None:
    path = file_of(step, name)
    recorded = json.loads(path.read_text())
    assert path.stat().st_size < 60_000
    about = recorded["otherData"]
    assert (about["step"], about["scenario"]) == (step, name)
    assert about["words"] == SCENARIOS[step][name].words, "record it again"
    clients_only = SCENARIOS[step][name].clients_only
    assert about["conclusions"] == ([] if clients_only else conclusions(recorded))
    assert about["machine"]["system"] == "Linux"
    least, most = SCENARIOS[step][name].later_take_ms
    assert all(least <= wait <= most for wait in later_waits_ms(recorded))
    # That would be the machine's doing, and not the server's.
    assert core_wait_ms(recorded) == 0
    assert "█" in draw.draw(recorded)
    assert len(draw.listing(recorded).splitlines()) == sum(
        map(len, lanes_of(recorded).values())
    )


def test_spins_are_counted_and_what_lies_between_is_kept() -> None:
    def event(ts: float, name: str = "select", ready: str = "client 1") -> Event:
        return {
            "ph": "X", "name": name, "cat": "wait", "pid": 1, "tid": 1, "ts": ts,
            "dur": 1.0, "args": {"ready": [ready] if ready else []},
        }  # fmt: skip

    def merged(*events: Event) -> list[tuple[str, int]]:
        return [
            (e["name"], e["args"].get("calls", 1))
            for e in trace._without_spins(list(events))
        ]

    assert merged(event(0), event(2), event(4)) == [("spin", 3)]
    assert merged(event(0), event(2, "hand over"), event(4)) == [
        ("select", 1), ("hand over", 1), ("select", 1),
    ]  # fmt: skip
    assert merged(event(0), event(2, ready="pipe")) == [("select", 1)] * 2
    assert merged(event(0, ready=""), event(2, ready="")) == [("select", 1)] * 2


def test_all_is_as_it_was_after_tracing() -> None:
    def all_that_is_replaced() -> list[object]:
        return [
            select.select, selectors.DefaultSelector, queue.SimpleQueue,
            threading.Lock, os.pipe, os.write, os.read, time.sleep, time.thread_time,
        ]  # fmt: skip

    before = all_that_is_replaced()
    with traced.tracing(traced.Recorder()):
        assert not set(map(id, before)) & set(map(id, all_that_is_replaced()))
    assert all_that_is_replaced() == before


def test_waiting_for_a_lock_is_noted() -> None:
    recorder = traced.Recorder()
    lock = traced.TracedLock(recorder)
    assert lock.acquire()
    assert not lock.acquire(blocking=False)
    assert recorder.events == []
    waiter = threading.Thread(target=lock.acquire, name="waiter")
    waiter.start()
    # It is in the lock's own acquire() once it has asked for the time.
    while (frame := sys._current_frames().get(waiter.ident or 0)) is None or (
        "start" not in frame.f_locals
    ):
        assert waiter.is_alive()
    lock.release()
    waiter.join()
    assert [(thread, name) for thread, name, *_ in recorder.events] == [
        ("waiter", "lock wait")
    ]


def handled(handler: Any) -> list[tuple[str, dict[str, Any]]]:
    """What a recorder notes while it calls a handler: names and details."""
    recorder = traced.Recorder()
    request = Request("GET", "/", (1, 1), {})
    with traced.tracing(recorder):
        recorder.handle(handler, request)
    return [(name, details) for _, name, _, _, details in recorder.events]


def test_a_handler_that_sleeps_is_not_one_that_works() -> None:
    def sleeps(request: Request) -> Response:
        time.sleep(0.001)
        return Response(200, b"")

    (name, details), (outer, _) = handled(sleeps)
    assert (name, details["target"], details["asked_ms"]) == ("sleep", "/", 1.0)
    assert outer == "handler"
    # Outside of a handler somebody else sleeps: that is none of the trace's business.
    recorder = traced.Recorder()
    with traced.tracing(recorder):
        time.sleep(0)
    assert recorder.events == []


def test_a_handler_that_reads_a_clock_shows_when_it_did_not_run() -> None:
    held = threading.Lock()
    held.acquire()

    def is_stopped(request: Request) -> Response:
        time.thread_time()
        # On no core for two milliseconds, whatever the machine does.
        assert not held.acquire(timeout=0.002)
        time.thread_time()
        return Response(200, b"")

    def runs(request: Request) -> Response:
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass
        return Response(200, b"")

    # On a busy machine it may have been stopped before that, too.
    *_, (name, details), (outer, _) = handled(is_stopped)
    assert (name, outer) == ("not running", "handler")
    start_ns, end_ns = details["core_ns"]
    assert end_ns - start_ns < 1_000_000
    ran = [details["core_ns"] for name, details in handled(runs) if name == "handler"]
    assert all(end_ns - start_ns >= 2_000_000 for start_ns, end_ns in ran)


LANES = {1: "client 1", 2: "loop", 3: "worker-0"}
#: A server of one thread has nobody who could have the interpreter.
ALONE = {1: "client 1", 2: "loop"}


def timed(
    name: str, tid: int, ts: float, dur: float, core: Any = None, **args: Any
) -> Event:
    """core: for how long, in µs, its thread had been on a core before it and after."""
    if core:
        args |= {"core_ns": [1000 * us for us in core], "queued_ns": 0} | args
    cat = "wait" if explain.is_wait(name) else "work"
    return {
        "ph": "X", "name": name, "cat": cat, "tid": tid, "ts": ts, "dur": dur,
        "args": args,
    }  # fmt: skip


def wants(*events: Event, gil: bool = True) -> list[tuple[str, float, float]]:
    found = with_wants(copy.deepcopy(events), LANES, gil)
    assert not [e for e in found if {"core_ns", "queued_ns"} & set(e["args"])]
    return [(e["name"], e["ts"], e["dur"]) for e in found if e["tid"] != 1]


SENT = timed("send request", 1, 4_900, 100)
ASLEEP = timed(
    "select", 2, 0, 10_000, (0, 10), watched=["client 1"], ready=["client 1"]
)


def test_what_a_thread_does_once_it_could_go_on_is_no_sleep() -> None:
    assert wants(SENT, ASLEEP) == [
        ("select", 0, 5_010), ("wants the interpreter", 5_010, 4_990),
    ]  # fmt: skip
    # It went on at once; nobody knows what it slept for; there is no such lock.
    assert wants(timed("send request", 1, 9_900, 10), ASLEEP) == [("select", 0, 10_000)]
    assert wants(ASLEEP) == [("select", 0, 10_000)]
    assert wants(SENT, ASLEEP, gil=False) == [("select", 0, 10_000)]
    assert len(with_wants(copy.deepcopy([SENT, ASLEEP]), ALONE, True)) == 2


@pytest.mark.parametrize(
    ("event", "others", "since"),
    [
        (ASLEEP | {"args": ASLEEP["args"] | {"ready": ["pipe"]}},
         [timed("wake", 3, 7_000, 20, (0, 10))], 7_000),
        (ASLEEP | {"args": ASLEEP["args"] | {"ready": ["listener"]}},
         [timed("connect", 1, 2_000, 500)], 2_500),
        (timed("wait for a job", 2, 0, 9_000, (0, 10), client="client 1"),
         [timed("hand over", 3, 6_000, 9, (0, 9), client="client 1")], 6_000),
        (timed("wait to receive", 2, 0, 9_000, (0, 10), client="client 1"),
         [SENT], 5_000),
        (timed("sleep", 2, 0, 9_000, (0, 10), asked_ms=3.0), [], 3_000),
        (timed("wake", 2, 0, 9_000, (0, 10)), [], 0),
    ],
)  # fmt: skip
def test_since_when_a_thread_could_go_on(
    event: Event, others: list[Event], since: float
) -> None:
    wanted = ("wants the interpreter", since + 10, end(event) - since - 10)
    assert wanted in wants(event, *others)


def test_a_thread_that_worked_or_had_no_core_wanted_no_interpreter() -> None:
    works = timed("handler", 3, 0, 9_000, (0, 8_000))
    assert wants(works) == [("handler", 0, 9_000)]
    queued = timed("handler", 3, 0, 9_000, (0, 1_000), queued_ns=6_000_000)
    assert wants(queued)[1] == ("wants a core", 1_000, 8_000)
    assert wants(queued, gil=False)[1] == ("wants a core", 1_000, 8_000)


def test_between_two_events_a_thread_wants_the_interpreter_or_runs() -> None:
    receive = timed("receive", 2, 0, 10, (0, 10))
    late = timed("hand over", 2, 5_000, 10, (500, 510))
    assert ("wants the interpreter", 500, 4_500) in [
        (name, round(ts, -1), round(dur, -2)) for name, ts, dur in wants(receive, late)
    ]
    at_work = timed("hand over", 2, 5_000, 10, (4_500, 4_510))
    assert len(wants(receive, at_work)) == 2


@pytest.mark.parametrize(("waited_ms", "doing"), [
    (10, "waiting to receive from client 1"), (1, "wanting a core"),
])  # fmt: skip
def test_a_busy_machine_does_not_explain_a_wait_that_a_server_explains(
    waited_ms: int, doing: str
) -> None:
    waited = 1000 * waited_ms
    events = [
        {"ph": "M", "name": "thread_name", "tid": tid, "args": {"name": lane}}
        for tid, lane in LANES.items()
    ] + [
        timed("send request", 1, 0, 10, request=1),
        timed("wait for head", 1, 10, 50_000, request=1),
        timed("wait to receive", 2, 10, waited, client="client 1"),
        timed("wants a core", 2, 10 + waited, 50_000 - waited),
    ]
    (told,) = conclusions({"traceEvents": events, "otherData": {}})
    assert told.endswith(f"loop {doing}")


def test_in_a_handler_a_thread_runs_sleeps_or_wants() -> None:
    handler = timed("handler", 3, 0, 30_000, (0, 15_000), target="/")
    stopped = timed("not running", 3, 5_000, 10_000, (5_000, 5_010), target="/")
    found = with_wants(copy.deepcopy([stopped, handler]), LANES, True)
    assert [e["name"] for e in found] == ["handler", "wants the interpreter"]
    assert found[0]["args"]["on_core_ms"] == 15.0
    assert [(e["name"], e["dur"]) for e in one_at_a_time(found)] == [
        ("handler", 5_010), ("wants the interpreter", 9_990), ("handler", 15_000),
    ]  # fmt: skip


def test_two_handlers_that_compute_take_turns_at_the_interpreter() -> None:
    """With the GIL; without it, each has a core, or wants one."""
    clients = (Client(requests=1, path="/spin/60"),) * 2
    recorded = trace.record("step10", Scenario("", clients, workers=2))
    lanes = lanes_of(recorded)
    wanted = {e["name"] for lane in lanes.values() for e in lane}
    if recorded["otherData"]["gil"]:
        assert "wants the interpreter" in wanted
    else:
        assert "wants the interpreter" not in wanted
    for lane in ("worker-0", "worker-1"):
        for event in named(lanes[lane], "handler"):
            assert event["args"]["on_core_ms"] >= 60


def test_a_lock_of_the_standard_library_is_left_alone() -> None:
    with traced.tracing(traced.Recorder()):
        assert not isinstance(threading.Lock(), traced.TracedLock)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "both"),
        (b"ok", "body"),
        (b"", "body"),
    ],
)
def test_parts_of_a_response(data: bytes, part: str) -> None:
    assert traced.part_of_a_response(data) == part


def test_what_is_recorded_for_the_book() -> None:
    assert command.in_book() == IN_BOOK
    assert command.in_book(["step07", "step10/slow"]) == [
        ("step07", "alone"), ("step10", "slow"),
    ]  # fmt: skip
    for unknown in ("step99", "step07/slow"):
        with pytest.raises(trace.TraceError, match=unknown):
            command.in_book([unknown])


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    file = tmp_path / "trace.json"
    assert command.main(["step07", "--requests", "2", "--output", str(file)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^client 1 .*█", printed, re.MULTILINE)
    assert "request 2: " in printed
    assert json.loads(file.read_text())["otherData"]["machine"]
    assert command.main(["step07", "nonsense"]) == 1
    assert "no scenario nonsense: alone" in capsys.readouterr().err


@ON_LINUX
def test_a_close_sends_what_was_held_back() -> None:
    """The body of the last answer need not wait for the acknowledgement."""
    # A client that is slow to look finds head and body together, and waits for neither.
    for _ in range(20):
        lanes = play("step06", clients=(Client(requests=3, closes=True),))
        server, client = server_events(lanes), lanes["client 1"]
        had = named(client, "wait for body")
        if [e["args"]["request"] for e in had][-2:] == [2, 3]:
            break
    else:
        pytest.fail("the last body was never waited for")
    last = named(server, "send body")[-1]
    assert last["args"]["unsent"] == 70
    closed = next(e for e in named(server, "close") if start(e) > start(last))
    assert closed["args"]["client"] == "client 1"
    assert end(had[-1]) > start(closed)
    # The one before it had to: its wait is over when the kernel lets the body go.
    held = named(lanes["queue to client 1"], "held back")
    assert end(had[-2]) > start(held[-2])
    assert end(held[-2]) < start(last)


@pytest.mark.parametrize(
    ("half", "sent"),
    [(ONE_WRITE_FLAG, ["send both"]), (NODELAY_FLAG, ["send head", "send body"])],
)
def test_half_of_the_cure_is_recorded_alone(half: str, sent: list[str]) -> None:
    lanes = play("step06", half=half)
    server = server_events(lanes)
    sends = [e for e in server if e["name"].startswith("send ")]
    assert [e["name"] for e in sends] == sent * REQUESTS
    assert all(e["args"].get("unsent", 0) == 0 for e in sends)
    assert [lane for lane in lanes if lane.startswith("queue")] == []
