"""Steps 11 to 13: whatever a connection waits for has to happen in time.

The tests turn the clock, so nobody waits: a minute passes when a test says so, and the
server looks at its clock when somebody wakes it.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.app import DOCUMENT
from steps.http11 import Request, Response
from steps.step11.connection import Phase
from steps.step11.deadlines import (
    MAX_AHEAD_S,
    NEVER,
    TICK_S,
    Bucket,
    Deadlines,
    Timeouts,
)
from steps.step11.server import LEAST_RATE, LINGER_TIMEOUT_S, Reactor
from tests.steps.harness import (
    REACTORS,
    ROOT,
    Client,
    Held,
    Running,
    request_bytes,
    serving,
    settings_of,
    wait_until,
)

TIMED = [step for step in REACTORS if step[:6] in ("step11", "step12", "step13")]
POOLED = [step for step in TIMED if not step.endswith("-0")]
timed = pytest.mark.parametrize("step", TIMED)
pooled = pytest.mark.parametrize("step", POOLED)

HEADER_S, BODY_S, IDLE_S, WRITE_S, HANDLER_S = 10.0, 11.0, 60.0, 12.0, 90.0
A_LITTLE_S = TICK_S + 0.01  # by which a deadline may be found to have passed too late


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Turning:
    """A server whose clock goes when it is told to."""

    def __init__(self, server: Running, clock: Clock) -> None:
        self.server = server
        self._clock = clock

    def turn(self, seconds: float) -> None:
        """Let time pass, and the server notice."""
        self._clock.now += seconds
        # Any round will do; this one needs no worker.
        with Client(self.server.port) as client:
            client.send(b"\0")
            assert client.receive().status == 400
            client.send_end()
            client.expect_end()

    def client(self, phase: Phase, data: bytes) -> Client:
        """One that has sent this, and that is known to be in this phase."""
        client = self.server.client()
        client.send(data)
        self.wait_for(phase)
        return client

    def phases(self) -> list[Phase]:
        return [each.phase for each in list(self.server._server._connections)]

    def wait_for(self, phase: Phase) -> None:
        wait_until(lambda: phase in self.phases(), f"a connection is in {phase.name}")

    @property
    def expired(self) -> int:
        return int(self.server.stats.expired)


@contextmanager
def turning(step: str, application: Any = None, **more: Any) -> Iterator[Turning]:
    clock = Clock()
    timeouts: dict[str, Any] = {
        "header_timeout": HEADER_S,
        "body_timeout": BODY_S,
        "idle_timeout": IDLE_S,
        "write_timeout": WRITE_S,
        "handler_timeout": HANDLER_S,
    }
    settings: Timeouts = Timeouts(**timeouts)
    if step.startswith(("step12", "step13")):
        settings = settings_of(step)(**timeouts, grace=0.01)
    arguments = () if application is None else (application,)
    running = serving(step, *arguments, clock=clock, settings=settings, **more)
    with running as server:
        try:
            yield Turning(server, clock)
        finally:
            server.stop()
            if step.startswith(("step12", "step13")):
                wait_until(lambda: server._server._is_draining, "the drain begins")
            clock.now += 3600  # all that it might wait for


# --- A request that does not come -----------------------------------------------------


@timed
def test_a_silent_client_is_told_nothing(step: str) -> None:
    with turning(step) as time:
        new = time.server.client()
        kept = time.server.client()
        kept.ask()
        wait_until(lambda: time.phases() == [Phase.IDLE] * 2, "both are idle")
        time.turn(IDLE_S - 1)
        assert new.has_nothing()
        assert kept.ask().body == DOCUMENT  # it is in time, and starts anew
        time.turn(1 + A_LITTLE_S)
        new.expect_end()
        assert kept.has_nothing()
        time.turn(IDLE_S - 1)
        kept.expect_end()
        assert time.expired == 2


@timed
@pytest.mark.parametrize("byte", [b"G", b"\r"])
def test_a_head_that_is_late(step: str, byte: bytes) -> None:
    with turning(step) as time:
        client = time.client(Phase.HEADER, byte)
        time.turn(HEADER_S - 0.5)
        assert client.has_nothing()
        time.turn(0.5 + A_LITTLE_S)
        answer = client.receive()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        client.send_end()
        client.expect_end()
        assert time.expired == 1


@timed
def test_one_more_byte_does_not_earn_a_head_more_time(step: str) -> None:
    head = request_bytes("/", "X: y")
    with turning(step) as time:
        client = time.client(Phase.HEADER, head[:1])
        for second in range(int(HEADER_S)):
            assert client.has_nothing()
            client.send(head[second + 1 : second + 2])
            time.turn(1)
        time.turn(A_LITTLE_S)
        assert client.receive().status == 408


@timed
def test_requests_in_time_earn_time(step: str) -> None:
    """Each of them may take as long, however many there have been."""
    head = request_bytes()
    with turning(step) as time:
        client = time.client(Phase.HEADER, head[:-1])
        for _ in range(5):
            time.turn(HEADER_S - 1)
            client.send(head[-1:] + head[:-1])
            assert client.receive().body == DOCUMENT
            time.wait_for(Phase.HEADER)
        time.turn(HEADER_S + A_LITTLE_S)
        assert client.receive().status == 408


@timed
def test_what_has_come_in_time_is_answered_though_nobody_looked(step: str) -> None:
    """As after SIGSTOP and SIGCONT: hours later, and the request is there."""
    with turning(step) as time:
        client = time.server.client()
        client.ask()
        half = time.client(Phase.HEADER, request_bytes()[:-1])
        time._clock.now += 7200
        client.send(request_bytes())
        assert client.receive().body == DOCUMENT
        assert half.receive().status == 408


@timed
def test_a_body_that_is_late(step: str) -> None:
    head = request_bytes("/echo", "Content-Length: 100000", method="POST")
    with turning(step) as time:
        client = time.client(Phase.BODY, head)
        time.turn(BODY_S - 0.5)
        assert client.has_nothing()
        time.turn(0.5 + A_LITTLE_S)
        assert client.receive().status == 408
        client.send_end()
        client.expect_end()


def come(time: Turning) -> int:
    """Bytes that have come of the only body."""
    connections = list(time.server._server._connections)
    (each,) = (each for each in connections if each.phase is Phase.BODY)
    return int(each.gatherer.fed if hasattr(each, "gatherer") else each.progress)


@timed
def test_a_body_earns_time_at_the_least_rate(step: str) -> None:
    seconds = 7
    size = LEAST_RATE * seconds
    head = request_bytes("/echo", f"Content-Length: {size + 1}", method="POST")
    with turning(step) as time:
        client = time.client(Phase.BODY, head)
        before = come(time)
        client.send(b"x" * size)
        wait_until(lambda: come(time) == before + size, "it has been received")
        time.turn(BODY_S + A_LITTLE_S)
        time.turn(seconds - 1 - A_LITTLE_S)
        assert client.has_nothing()
        # One byte is not worth a second.
        client.sock.setblocking(True)
        time.turn(1 + A_LITTLE_S)
        assert client.receive().status == 408


@timed
def test_a_slow_body_in_time_is_answered(step: str) -> None:
    size = LEAST_RATE * 30
    head = request_bytes("/echo", f"Content-Length: {size}", method="POST")
    with turning(step) as time:
        client = time.client(Phase.BODY, head)
        for second in range(1, 30):
            client.send(b"x" * LEAST_RATE)
            due = second * LEAST_RATE
            wait_until(lambda: come(time) >= due, "it is received")  # noqa: B023
            time.turn(1)
        client.send(b"x" * LEAST_RATE)
        assert client.receive().body == b"x" * size


# --- An answer that is not read -------------------------------------------------------


@timed
def test_an_answer_that_is_not_read(step: str) -> None:
    with turning(step) as time:
        client = time.client(Phase.WRITE, request_bytes("/bytes/30000000"))
        time.turn(WRITE_S - 0.5)
        assert time.expired == 0
        # What the kernel has taken since may have earned as much again, and no more; it
        # may have been taken in two parts, for acknowledgements are delayed.
        for _ in range(3):
            time.turn(WRITE_S + A_LITTLE_S)
        assert time.expired == 1
        # What the kernel has of the rest is not kept for a client that does not read.
        with pytest.raises(ConnectionResetError):
            list(iter(client.receive_some, b""))


@timed
def test_an_answer_that_is_read_slowly(step: str) -> None:
    with turning(step) as time:
        client = time.client(Phase.WRITE, request_bytes("/bytes/30000000"))
        size = 0
        while size < 30_000_000:
            data = client.receive_some()
            assert data, f"closed after {size} bytes"
            size += len(data)
            if Phase.WRITE in time.phases():
                time.turn(WRITE_S / 2)
        assert time.expired == 0
        time.wait_for(Phase.IDLE)


# --- A handler that is late -----------------------------------------------------------


@pooled
def test_a_handler_that_is_late(step: str, caplog: pytest.LogCaptureFixture) -> None:
    with Held() as held, turning(step, held, workers=2) as time, held:
        client = time.client(Phase.HANDLER, request_bytes("/held") + request_bytes())
        time.turn(HANDLER_S - 0.5)
        assert client.has_nothing()
        time.turn(0.5 + A_LITTLE_S)
        answer = client.receive()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        # The other worker serves; and the late result is nobody's.
        assert time.server.client().ask().body == DOCUMENT
        held.release()
        for _ in range(5):
            assert time.server.client().ask().body == DOCUMENT
        client.send_end()
        client.expect_end()
    assert caplog.records == []


@pooled
def test_held_connections_that_are_late(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue stays full; each is told so once, lingers, and is closed once."""
    for package in ("steps.step10", "steps.step13"):
        monkeypatch.setattr(f"{package}.server.QUEUE_CAPACITY", 2)
    with Held() as held, turning(step, held, workers=1) as time, held:
        filling = [time.client(Phase.HANDLER, request_bytes("/held")) for _ in range(2)]
        late = [time.server.client() for _ in range(3)]
        for client in late:
            client.send(request_bytes())
        wait_until(lambda: time.server.stats.held == 3, "they are held")
        before = time.server.stats.held
        time._clock.now += HANDLER_S + A_LITTLE_S
        with Client(time.server.port):  # wakes the loop, and is held
            for client in [*filling, *late]:
                assert client.receive().status == 503
            assert time.server.stats.held <= before + 1
        time._clock.now += LINGER_TIMEOUT_S + A_LITTLE_S
        with Client(time.server.port):
            for client in late:
                with suppress(ConnectionResetError):  # what it has sent is unread
                    client.expect_end()
        held.release()
        assert time.server.client().ask().body == DOCUMENT
        stats = time.server.stats
        if hasattr(stats, "closed"):
            known = time.server._server._connections
            wait_until(
                lambda: stats.accepted - stats.closed == len(known), "counted once"
            )


@pytest.mark.parametrize("step", [step for step in TIMED if step.endswith("-0")])
def test_a_handler_in_the_loop_has_no_deadline(step: str) -> None:
    def late(request: Request) -> Response:
        clock.now += 10 * HANDLER_S
        return Response(200, DOCUMENT)

    with turning(step, late) as time:
        clock = time._clock
        client = time.server.client()
        for _ in range(3):
            assert client.ask().body == DOCUMENT
            time.turn(0)
            assert client.has_nothing()  # what it took is not counted as the client's


@pytest.mark.parametrize("step", [step for step in TIMED if step.endswith("-0")])
def test_what_came_while_a_handler_was_in_the_loop_came_in_time(step: str) -> None:
    def late(request: Request) -> Response:
        if request.target == "/late":
            half.send(request_bytes()[-1:])
            clock.now += 2 * HEADER_S
        return Response(200, DOCUMENT)

    with turning(step, late) as time:
        clock = time._clock
        half = time.client(Phase.HEADER, request_bytes()[:-1])
        assert time.server.client().ask("/late").body == DOCUMENT
        assert half.receive().body == DOCUMENT


# --- A client that does not close -----------------------------------------------------


@timed
def test_a_client_that_was_refused_and_stays(step: str) -> None:
    with turning(step) as time:
        client = time.client(Phase.LINGER, b"\0")
        assert client.receive().status == 400
        for _ in range(int(LINGER_TIMEOUT_S)):
            assert Phase.LINGER in time.phases()
            client.send(b"still here")
            time.turn(1)
        time.turn(A_LITTLE_S)
        wait_until(lambda: not time.phases(), "it is closed")


# --- Deadlines by themselves ----------------------------------------------------------


@dataclass(eq=False)
class Item:
    number: int
    deadline: float = NEVER
    bucket: Bucket["Item"] | None = None
    history: list[float] = field(default_factory=list)


ITEMS = 40
times = st.one_of(st.floats(0, 40), st.floats(0, 1000))
numbers = st.integers(0, ITEMS - 1)
moves = st.one_of(
    st.tuples(st.just("set"), numbers, times),
    st.tuples(st.just("cancel"), numbers, times),
    st.tuples(st.just("look"), numbers, st.one_of(st.floats(0, 6), st.floats(0, 300))),
)


@given(st.lists(moves, max_size=120))
def test_deadlines_against_a_model(todo: list[tuple[str, int, float]]) -> None:
    """The model looks at every item. It and the buckets agree, but for a tick."""
    deadlines, model = Deadlines[Item](), dict[int, float]()
    items = [Item(number) for number in range(ITEMS)]
    now = 0.0
    for what, number, seconds in todo:
        if what == "set":
            deadlines.set(items[number], now + seconds)
            model[number] = now + seconds
        elif what == "cancel":
            deadlines.cancel(items[number])
            model.pop(number, None)
        else:
            now += seconds
            for item in deadlines.pop_expired(now):
                assert model.pop(item.number) <= now  # not too early, and once
            assert all(at > now - TICK_S for at in model.values())  # nor too late
        soonest = min(model.values(), default=NEVER)
        assert deadlines.next_look <= soonest + TICK_S
    for item in deadlines.pop_expired(math.inf if not model else now + 1100):
        del model[item.number]
    assert model == {}


def test_who_expires_may_set_and_cancel_others() -> None:
    deadlines = Deadlines[Item]()
    items = [Item(number) for number in range(100)]
    for item in items:
        deadlines.set(item, 1.0)
    seen: list[Item] = []
    for item in deadlines.pop_expired(2.0):
        seen.append(item)
        if len(seen) <= 30:
            other = next(each for each in items if each.bucket is not None)
            deadlines.cancel(other)
        elif len(seen) <= 60:
            deadlines.set(item, 1.5)  # has passed, too
        elif item not in seen[:-1]:
            deadlines.set(item, 3.0)
    assert len(set(seen)) == 70
    left = [item for item in items if item.bucket is not None]
    assert sorted(item.number for item in deadlines.pop_expired(4.0)) == sorted(
        item.number for item in left
    )


def test_who_stops_in_the_middle_gets_the_others_the_next_time() -> None:
    deadlines = Deadlines[Item]()
    for number in range(100):
        deadlines.set(Item(number), 1.0 + number % 3)
    seen = []
    for most in 30, 30, 30, 30:
        assert deadlines.next_look <= 9.0
        seen += list(islice(deadlines.pop_expired(9.0), most))
    assert sorted(item.number for item in seen) == list(range(100))
    assert deadlines.next_look == NEVER


@timed
def test_many_that_are_late_do_not_keep_the_others_waiting(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are closed a few in a round."""
    monkeypatch.setattr("steps.step11.server.MAX_EXPIRED", 2)
    with turning(step) as time:
        late = [time.server.client() for _ in range(9)]
        wait_until(lambda: time.phases() == [Phase.IDLE] * 9, "all are idle")
        in_a_round = []
        expire = time.server._server._expire

        def counting(looked: float) -> None:
            before = time.expired
            expire(looked)
            in_a_round.append(time.expired - before)

        monkeypatch.setattr(time.server._server, "_expire", counting)
        time.turn(IDLE_S + A_LITTLE_S)
        for client in late:
            client.expect_end()
        wait_until(lambda: sum(in_a_round) == 9, "all are counted")
        assert max(in_a_round) == 2


def test_a_deadline_that_moves_costs_nothing() -> None:
    """Each of many items moves at each of many moments: a bucket holds it all along."""
    deadlines = Deadlines[Item]()
    items = [Item(number) for number in range(20_000)]
    for now in range(30):
        for item in items:
            deadlines.set(item, now + 60.0)
        assert list(deadlines.pop_expired(float(now))) == []
        assert sum(map(len, deadlines._buckets.values())) == len(items)
        assert len(deadlines._buckets) == 1
    for item in items[::2]:
        deadlines.cancel(item)
    # Found in the bucket of the first deadline, and put where the last one is.
    assert list(deadlines.pop_expired(61.0)) == []
    assert len(list(deadlines.pop_expired(29 + 60.0))) == len(items) // 2
    assert deadlines._buckets == {}
    assert deadlines.next_look == NEVER


def test_there_are_few_buckets_whatever_the_timeout() -> None:
    """A deadline of a day, set and cancelled in each tick, leaves no bucket a tick."""
    deadlines = Deadlines[Item]()
    staying = Item(0)
    deadlines.set(staying, 86_400.0)
    looks = 0
    for tick in range(10_000):
        now = tick * TICK_S
        item = Item(1)
        deadlines.set(item, now + 86_400.0)
        deadlines.cancel(item)
        looks += deadlines.next_look <= now
        assert list(deadlines.pop_expired(now)) == []
    assert len(deadlines._buckets) <= MAX_AHEAD_S / TICK_S + 1
    assert list(deadlines.pop_expired(86_400.0)) == [staying]


@pooled
def test_who_is_held_and_has_sent_nothing_is_told_nothing(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("steps.step10", "steps.step13"):
        monkeypatch.setattr(f"{package}.server.QUEUE_CAPACITY", 1)
    with Held() as held, turning(step, held, workers=1) as time, held:
        filling = time.client(Phase.HANDLER, request_bytes("/held"))
        silent = time.server.client()
        wait_until(lambda: Phase.PLACE in time.phases(), "it is held")
        time._clock.now += HANDLER_S + A_LITTLE_S
        with Client(time.server.port):  # wakes the loop
            assert filling.receive().status == 503
            silent.expect_end()


@pooled
def test_who_is_held_and_dropped_is_forgotten(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would pile up as long as the pool is full."""
    for package in ("steps.step10", "steps.step13"):
        monkeypatch.setattr(f"{package}.server.QUEUE_CAPACITY", 1)
    with Held() as held, turning(step, held, workers=1) as time, held:
        time.client(Phase.HANDLER, request_bytes("/held"))
        for _ in range(3):
            before = time.server.stats.held
            silent = [time.server.client() for _ in range(5)]
            wait_until(
                lambda: time.server.stats.held == before + 5,  # noqa: B023
                "they are held",
            )
            time._clock.now += HANDLER_S + A_LITTLE_S
            with Client(time.server.port):
                for client in silent:
                    client.expect_end()
            assert len(time.server._server._held) <= len(time.phases()) + 1


# -- what the chapter says of all this -----------------------------------------


def test_the_chapters_table_of_who_is_told_what() -> None:
    """The tests above prove each row of it; this one, that the rows say the same."""
    [page] = ROOT.glob("chapters/11-*/README.md")
    text = re.sub(r"<!-- .*? -->", "", page.read_text(encoding="utf-8"))
    rows = re.findall(
        r"^\| (it .*?) \| `([A-Z]+)`, (\d+) s.*? \| (.*?) \|$", text, re.M
    )
    assert {phase for _, phase, _, _ in rows} == {phase.name for phase in Phase}
    for done, phase, seconds, told in rows:
        has_asked = "has asked" in done
        late: Any = SimpleNamespace(
            phase=Phase[phase], has_asked=lambda asked=has_asked: asked
        )
        nobody: Any = None
        refusal = Reactor._refusal(nobody, late)
        if refusal is None:
            assert told.startswith("nothing"), done
        else:
            assert told.startswith(f"`{refusal.status}"), done
        assert float(seconds) == default_s(Phase[phase]), done


def default_s(phase: Phase) -> float:
    if phase is Phase.LINGER:
        return LINGER_TIMEOUT_S
    name = "handler" if phase is Phase.PLACE else phase.name.lower()
    seconds = getattr(Timeouts(), f"{name}_timeout")
    assert isinstance(seconds, float)
    return seconds


def test_the_chapters_diagram_has_the_times_that_hold_without_a_flag() -> None:
    drawing = (ROOT / "docs" / "diagrams" / "phases.svg").read_text(encoding="utf-8")
    found = re.findall(r">([A-Z]+)</text>\s*<text[^>]*>(\d+) s", drawing)
    assert {phase: float(seconds) for phase, seconds in found} == {
        phase.name: default_s(phase) for phase in Phase
    }
