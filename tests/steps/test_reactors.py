"""What the reactors, from step 09 on, do with slow, rude and busy clients and handlers.

As in test_symptoms.py, no test measures time: each brings the server into a state, and
shows what can and what cannot happen in it.
"""

import contextlib
import logging
import os
import select
import selectors
import socket
import threading
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import pytest

from steps.app import DOCUMENT, app
from steps.http11 import Limits, Request, Response
from steps.step01.connection import RECEIVE_BYTES
from steps.step09.connection import Connection
from steps.step09.server import MAX_BUFFERED_BYTES
from steps.step10 import workers
from steps.step10.workers import WorkerPool
from tests.steps.harness import (
    REACTORS,
    Client,
    Held,
    Listener,
    Running,
    fail,
    request_bytes,
    serving,
    threads_in,
    unread_bytes,
    wait_until,
)

IN_LOOP = [step for step in REACTORS if step == "step09" or step.endswith("-0")]
POOLED = [step for step in REACTORS if step not in IN_LOOP]
every_reactor = pytest.mark.parametrize("step", REACTORS)
pooled = pytest.mark.parametrize("step", POOLED)
in_loop = pytest.mark.parametrize("step", IN_LOOP)


def keys(server: Running) -> list[selectors.SelectorKey]:
    """What its selector watches of connections, while the server runs."""
    while True:
        try:
            found = list(server._server._selector.get_map().values())
        except (RuntimeError, KeyError):
            continue  # the loop has changed it meanwhile
        return [key for key in found if hasattr(key.data, "unsent")]


def connections(server: Running) -> list[Any]:
    """What the server knows of the connections that its selector watches."""
    return [key.data for key in keys(server)]


def watched(server: Running) -> list[int]:
    """What the selector has been told to watch these for."""
    return [key.events for key in keys(server)]


def open_count(server: Running) -> int:
    stats = server.stats
    if hasattr(stats, "open"):
        return int(stats.open)
    return int(stats.accepted - stats.closed)


def is_alone(server: Running) -> bool:
    return open_count(server) <= 1


def is_received(descriptor: int) -> bool:
    return unread_bytes(descriptor) == 0


def has_something(client: Client) -> bool:
    return not client.has_nothing()


def is_entered(held: Held) -> bool:
    return held.entered > 0


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


class Rounds:
    """How often a server, not started yet, has asked its selector, and how."""

    def __init__(self, server: Running) -> None:
        self.count = 0
        self.sleeping = False
        selector = server._server._selector
        real = selector.select

        def spied(timeout: float | None = None) -> Any:
            self.count += 1
            self.sleeping = timeout is None or timeout > 0
            try:
                return real(timeout)
            finally:
                self.sleeping = False

        selector.select = spied


# --- Slow readers --------------------------------------------------------------------


@every_reactor
def test_a_slow_reader_costs_memory_once_and_nobody_time(step: str) -> None:
    size = 40_000_000
    with serving(step) as server:
        slow = server.client()
        tracemalloc.start()
        try:
            slow.send(request_bytes(f"/bytes/{size}"))
            wait_until(lambda: not slow.has_nothing(), "the answer begins")
            wait_until(lambda: watched(server) == [EVENT_WRITE], "buffers are full")
            # The rest is in the server, and others are served meanwhile.
            assert connections(server)[0].unsent > size // 2
            for number in range(10):
                assert server.client().ask(f"/bytes/{number}").body == b"x" * number
            received = 0
            while received < size:
                received += len(slow.receive_some())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < size * 1.2  # what is unsent is never copied
        # And the connection is read again, and its output is forgotten.
        wait_until(
            lambda: set(watched(server)) == {EVENT_READ}, "nothing waits to be sent"
        )


@every_reactor
def test_after_a_short_write_a_connection_is_read_again(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        for _ in range(3):
            client.send(request_bytes("/bytes/20000000"))
            wait_until(lambda: watched(server) == [EVENT_WRITE], "a short write")
            assert len(client.receive().body) == 20_000_000
            wait_until(lambda: watched(server) == [EVENT_READ], "interest is back")
            assert client.ask().body == DOCUMENT


@every_reactor
def test_a_client_that_does_not_read_is_not_read(step: str) -> None:
    request = request_bytes("/bytes/1000")
    endless = request * 20_000
    listener = Listener()  # with little room in the kernel: what it accepts has as much
    with serving(step, listener=listener) as server:
        client = server.client(connected=False)
        for direction in socket.SO_SNDBUF, socket.SO_RCVBUF:
            listener.setsockopt(socket.SOL_SOCKET, direction, 20_000)
            client.sock.setsockopt(socket.SOL_SOCKET, direction, 20_000)
        client.connect(server.port)
        client.sock.setblocking(False)
        sent = 0
        # What it sends fills the buffers of the kernel, and then its own send() fails.
        while sent < len(endless):
            try:
                sent += client.sock.send(endless[sent : sent + 50_000])
            except BlockingIOError:
                descriptor = server.descriptor_of(client)
                if watched(server) == [EVENT_WRITE] and unread_bytes(descriptor):
                    break
                select.select([], [client.sock], [], 0.01)
        assert sent < len(endless)
        (connection,) = connections(server)
        assert connection.unsent <= MAX_BUFFERED_BYTES + 2_000
        assert server.client().ask().body == DOCUMENT
        # When it reads, it gets all its answers.
        client.sock.settimeout(20)
        count = sent // len(request)
        for _ in range(count):
            assert len(client.receive().body) == 1000
        client.send(endless[sent : (count + 1) * len(request)])
        assert len(client.receive().body) == 1000


class Choked(socket.socket):
    """A connection that at first takes nothing, and then all at once."""

    refusals = 1

    def sendmsg(self, *arguments: Any) -> int:
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError
        return super().sendmsg(*arguments)


class ChokedListener(Listener):
    def accept(self) -> tuple[socket.socket, Any]:
        accepted, address = super().accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        return Choked(fileno=accepted.detach()), address


@every_reactor
@pytest.mark.parametrize("ends", [False, True], ids=["open", "half-closed"])
def test_requests_behind_a_full_buffer_are_not_forgotten(step: str, ends: bool) -> None:
    """The client reads just when the server has decided to take no further request."""
    with serving(step, listener=ChokedListener()) as server:
        client = server.client()
        many = MAX_BUFFERED_BYTES + 10_000
        client.send(request_bytes(f"/bytes/{many}") + request_bytes() * 2)
        if ends:
            client.send_end()
        assert len(client.receive().body) == many
        assert client.receive().body == DOCUMENT
        assert client.receive().body == DOCUMENT


@in_loop
def test_many_requests_in_one_segment_need_one_round(step: str) -> None:
    running = serving(step)
    rounds = Rounds(running)
    with running as server:
        client = server.client()
        client.ask()
        before = rounds.count
        client.send(b"".join(request_bytes(f"/bytes/{n}") for n in range(300)))
        for number in range(300):
            assert len(client.receive().body) == number
        wait_until(lambda: rounds.sleeping, "the loop sleeps")
        # One for each segment, of which loopback makes one; and one to sleep in.
        assert rounds.count - before <= 5


# --- What a connection may hold ------------------------------------------------------


@every_reactor
def test_what_is_held_of_a_request_is_bounded(step: str) -> None:
    """Half a request, as long as the limits allow, and not a byte is answered."""
    limits = Limits()
    fields = b"A: " + b"b" * (limits.max_header_bytes - 100) + b"\r\n"
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
    body = b"x" * (limits.max_body_bytes - 1)
    halves = [
        head + fields,
        head + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body,
    ]
    with serving(step) as server:
        clients = [server.client() for _ in range(8)]
        for client in clients:
            client.ask()
        tracemalloc.start()
        try:
            for number, client in enumerate(clients):
                client.send(halves[number % 2])
            for client in clients:
                descriptor = server.descriptor_of(client)
                wait_until(partial(is_received, descriptor), "all is received")
            assert server.client().ask().body == DOCUMENT
            memory, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        most = limits.max_body_bytes + limits.max_header_bytes + RECEIVE_BYTES
        assert memory < len(clients) * most * 1.2  # a bytearray keeps some in reserve


# --- Clients that go -----------------------------------------------------------------


@every_reactor
def test_reset_at_every_point_of_a_request(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = request_bytes("/echo", method="POST", body=b"hello") + request_bytes()[:5]
    with serving(step) as server:
        for end in range(len(data) + 1):
            client = server.client()
            client.send(data[:end])
            client.reset()
        assert server.client().ask().body == DOCUMENT
        wait_until(lambda: open_count(server) <= 1, "those that went are forgotten")
    assert errors(caplog) == []


@every_reactor
def test_reset_at_every_point_of_an_answer(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    size = 30_000_000
    with serving(step) as server:
        for most in (0, 1, 50, 200, 100_000, 5_000_000):
            client = server.client()
            client.send(request_bytes(f"/bytes/{size}") + request_bytes())
            wait_until(partial(has_something, client), "the answer begins")
            received = 0
            while received < most:
                received += len(client.sock.recv(min(most - received, 1 << 20)))
            client.reset()
        # One that is gone before its answer, and one that only says that it ends.
        client = server.client()
        client.send(request_bytes(f"/bytes/{size}"))
        client.close()
        assert server.client().ask().body == DOCUMENT
        wait_until(lambda: open_count(server) <= 1, "those that went are forgotten")
    assert errors(caplog) == []


# --- Handlers ------------------------------------------------------------------------


@pooled
def test_handlers_that_block_do_not_stop_the_loop(step: str) -> None:
    with Held() as held, serving(step, held, workers=2) as server, held:
        reader = server.client()
        reader.send(request_bytes("/bytes/20000000"))
        wait_until(lambda: EVENT_WRITE in watched(server), "a big answer is under way")
        blocking = [server.client() for _ in range(2)]
        for client in blocking:
            client.send(request_bytes("/held"))
        wait_until(lambda: held.entered == 2, "all workers are in handlers")
        # What needs no worker goes on: sending, accepting, refusing.
        assert len(reader.receive().body) == 20_000_000
        refused = server.client()
        refused.send(b"\0")
        assert refused.receive().status == 400
        waiting = server.client()
        waiting.send(request_bytes())
        assert all(client.has_nothing() for client in [*blocking, waiting])
        held.release()
        for client in blocking:
            assert client.receive().body == b"held, and released"
        assert waiting.receive().body == DOCUMENT


@every_reactor
def test_handlers_that_fail_in_every_way(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(request: Request) -> Any:
        match request.target:
            case "/raise":
                raise RuntimeError("a bug")
            case "/exit":
                raise SystemExit(3)
            case "/interrupt":
                raise KeyboardInterrupt
            case "/thread-exit":
                import _thread

                _thread.exit()
            case "/none":
                return None
            case "/text":
                return "a page"
            case "/oserror":
                raise ConnectionResetError("of another connection")
            case "/stop":
                raise StopIteration
            case "/recursion":
                return failing(request)
            case "/no-body":
                return Response(200, "text")  # type: ignore[arg-type]
        return app(request)

    ways = "raise exit interrupt thread-exit none text oserror stop recursion no-body"
    with serving(step, failing, workers=2) as server:
        client = server.client()
        for way in ways.split():
            assert client.ask(f"/{way}").status == 500, way
            assert client.ask().body == DOCUMENT, way
        assert len(errors(caplog)) == len(ways.split())
        client.send(b"".join(request_bytes(f"/{way}") for way in ways.split()))
        assert all(client.receive().status == 500 for _ in ways.split())


@pooled
def test_a_handler_that_outlives_its_client(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(client: Client) -> None:
        client.close()

    def send_and_leave(client: Client) -> None:
        client.send(request_bytes())
        client.close()

    for go in (leave, Client.reset, Client.send_end, send_and_leave):
        with Held() as held, serving(step, held, workers=1) as server, held:
            client = server.client()
            client.send(request_bytes("/held"))
            wait_until(partial(is_entered, held), "the handler is called")
            go(client)
            held.release()
            assert server.client().ask().body == DOCUMENT
            if go is Client.send_end:
                assert client.receive().body == b"held, and released"
                client.expect_end()
            wait_until(partial(is_alone, server), "it is forgotten")
    assert errors(caplog) == []


@pooled
def test_pipelined_requests_wait_for_the_one_before(step: str) -> None:
    with Held() as held, serving(step, held, workers=4) as server, held:
        client = server.client()
        client.send(request_bytes("/held") + request_bytes() * 3)
        client.send(request_bytes("/bytes/2"))
        wait_until(lambda: held.entered, "the handler is called")
        # Three workers are free, and yet the others wait, for their turn.
        assert server.client().ask().body == DOCUMENT
        assert client.has_nothing()
        held.release()
        assert client.receive().body == b"held, and released"
        for _ in range(3):
            assert client.receive().body == DOCUMENT
        assert client.receive().body == b"xx"


@pooled
def test_a_client_that_sends_while_its_handler_runs_does_not_make_the_loop_spin(
    step: str,
) -> None:
    held = Held()
    running = serving(step, held, workers=1)
    rounds = Rounds(running)
    with running as server, held:
        client = server.client()
        client.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        client.send(request_bytes())
        wait_until(lambda: not watched(server), "it is not watched meanwhile")
        wait_until(lambda: rounds.sleeping, "the loop sleeps")
        held.release()
        assert client.receive().body == b"held, and released"
        assert client.receive().body == DOCUMENT


@pytest.fixture
def queue_of_3(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("steps.step10", "steps.step13"):
        monkeypatch.setattr(f"{package}.server.QUEUE_CAPACITY", 3)


@pooled
@pytest.mark.usefixtures("queue_of_3")
def test_a_full_queue(step: str, caplog: pytest.LogCaptureFixture) -> None:
    held = Held()
    running = serving(step, held, workers=1)
    rounds = Rounds(running)
    with running as server, held:
        reader = server.client()
        reader.send(request_bytes("/bytes/20000000"))
        wait_until(lambda: EVENT_WRITE in watched(server), "a big answer is under way")
        early = server.client()
        early.ask()
        filling = [server.client() for _ in range(3)]
        for client in filling:
            client.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the first handler is called")
        if step == "step13":  # a big answer is in the queue until its end
            assert len(reader.receive().body) == 20_000_000

        late = [early, *(server.client() for _ in range(5))]
        for client in late:
            client.send(request_bytes() * 2)
        wait_until(lambda: server.stats.held >= 6, "six connections are held")
        # They are not read, and not watched; the loop sleeps.
        for client in late:
            descriptor = server.descriptor_of(client)
            assert unread_bytes(descriptor) == 2 * len(request_bytes())
        wait_until(lambda: rounds.sleeping, "the loop sleeps")
        assert all(client.has_nothing() for client in late)
        # It polls, though: answers are sent, clients accepted, and those that are held
        # may go.
        if step != "step13":
            assert len(reader.receive().body) == 20_000_000
        accepted = server.stats.accepted
        late[-1].reset()
        late[-2].close()
        newcomer = server.client()
        newcomer.send(request_bytes())
        wait_until(lambda: server.stats.accepted == accepted + 1, "it is accepted")
        held.release()
        for client in filling:
            assert client.receive().body == b"held, and released"
        for client in late[:-2]:
            assert client.receive().body == DOCUMENT
            assert client.receive().body == DOCUMENT
        assert newcomer.receive().body == DOCUMENT
        assert early.ask().body == DOCUMENT
    assert errors(caplog) == []


@pooled
@pytest.mark.usefixtures("queue_of_3")
def test_who_is_held_is_not_held_again_and_again(step: str) -> None:
    """Room for one does not make all that wait be looked at, and held again."""
    with Held() as held, serving(step, held, workers=1) as server, held:
        filling = [server.client() for _ in range(3)]
        for client in filling:
            client.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the first handler is called")
        late = [server.client() for _ in range(30)]
        for client in late:
            client.send(request_bytes())
        wait_until(lambda: server.stats.held >= 30, "all are held")
        held.release()
        for client in filling:
            assert client.receive().body == b"held, and released"
        for client in late:
            assert client.receive().body == DOCUMENT
        assert server.stats.held <= 3 * len(late)


# --- The pool ------------------------------------------------------------------------


@pytest.fixture
def pool() -> Iterator[WorkerPool[str, Response]]:
    pool = WorkerPool[str, Response](1, 10, lambda _, request: app(request))
    yield pool
    pool.stop()


def is_woken(pool: WorkerPool[str, Response]) -> bool:
    return unread_bytes(pool.wake_pipe.fileno()) > 0


def submit(pool: WorkerPool[str, Response], owner: str) -> None:
    pool.submit(owner, Request("GET", "/"))
    pool.hand_over()


def test_10_wakes_a_loop_that_sleeps_and_no_other(
    pool: WorkerPool[str, Response],
) -> None:
    submit(pool, "awake")
    wait_until(lambda: pool._results, "the worker has answered")
    submit(pool, "too")  # when this has been taken, the worker has been through wake()
    wait_until(lambda: len(pool._results) == 2, "the worker has answered again")
    assert not is_woken(pool)
    assert not pool.may_sleep()
    assert [owner for owner, *_ in pool.results()] == ["awake", "too"]
    assert pool.may_sleep()
    submit(pool, "asleep")
    wait_until(lambda: is_woken(pool), "the loop is woken")
    pool.wake_pipe.drain()
    assert [owner for owner, *_ in pool.results()] == ["asleep"]


class Meeting(deque[Any]):
    """Results; something happens just before and just after one is put in."""

    def __init__(self, meet: Callable[[str], None]) -> None:
        self._meet = meet

    def append(self, result: Any) -> None:
        self._meet("before")
        super().append(result)
        self._meet("after")


class CountedLock:
    """A lock that tells how often somebody has asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asked = 0

    def __enter__(self) -> None:
        self.asked += 1
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("when", ["before", "after"])
def test_10_no_wake_is_lost_when_the_loop_goes_to_sleep(
    pool: WorkerPool[str, Response], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The loop asks whether it may sleep between a worker's two steps: between the
    result's arrival and the look whether the loop sleeps."""
    lock, said = CountedLock(), list[bool]()
    loop = threading.Thread(target=lambda: said.append(pool.may_sleep()), daemon=True)

    def meet(moment: str) -> None:
        if moment == when and loop.ident is None:
            asked = lock.asked
            loop.start()
            wait_until(lambda: said or lock.asked > asked, "the loop asks")

    monkeypatch.setattr(pool, "_lock", lock)
    monkeypatch.setattr(pool, "_results", Meeting(meet))
    submit(pool, "between")
    wait_until(lambda: said, "the loop knows")
    if said == [True]:
        wait_until(lambda: is_woken(pool), "the loop is woken")


class Looked(deque[Any]):
    """Results; something happens right after the first look whether there are any."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then

    def __len__(self) -> int:
        found = super().__len__()
        then, self._then = self._then, None
        if then is not None:
            then()
        return found


def test_10_no_wake_is_lost_between_the_look_and_the_word(
    pool: WorkerPool[str, Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker wants to put its result there when the loop has looked, and has not said
    yet that it sleeps."""
    lock = CountedLock()

    def put() -> None:
        asked = lock.asked
        submit(pool, "between")
        wait_until(lambda: pool._results or lock.asked > asked, "the worker is there")

    monkeypatch.setattr(pool, "_lock", lock)
    monkeypatch.setattr(pool, "_results", Looked(put))
    if pool.may_sleep():
        wait_until(lambda: is_woken(pool), "the loop is woken")
    assert pool._results


def test_10_collects_what_comes_while_it_collects(
    pool: WorkerPool[str, Response],
) -> None:
    submit(pool, "first")
    wait_until(lambda: pool._results, "the worker has answered")
    found = []
    for owner, *_ in pool.results():
        found.append(owner)
        if len(found) < 5:
            submit(pool, f"number {len(found)}")
            wait_until(lambda: pool._results, "the worker has answered")
    assert len(found) == 5
    assert not pool.is_full


def test_10_stop_waits_once_for_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    join = threading.Thread.join

    def counted(thread: threading.Thread, timeout: float | None = None) -> None:
        waits.append(timeout or 0.0)
        join(thread, timeout)

    monkeypatch.setattr(workers, "STOP_WAIT_S", 0.05)
    with Held() as held:
        pool = WorkerPool[int, Response](4, 10, lambda _, request: held(request))
        for number in range(4):
            pool.submit(number, Request("GET", "/held"))
        pool.hand_over()
        wait_until(lambda: held.entered == 4, "all workers are in handlers")
        with monkeypatch.context() as during:
            during.setattr(threading.Thread, "join", counted)
            pool.stop()
        assert len(waits) == 4
        assert sum(waits) < 0.1


@pooled
def test_stop_closes_what_is_with_a_handler_and_not_watched(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "STOP_WAIT_S", 0.05)
    with Held() as held, contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(step, held, workers=2))
        clients = [server.client() for _ in range(2)]
        for client in clients:
            client.send(request_bytes("/held"))
        wait_until(lambda: held.entered == 2, "the handlers are called")
        clients[0].send(request_bytes())  # and so it is not watched
        wait_until(lambda: len(watched(server)) == 1, "it is not watched")
        server.stop()
        server.thread.join(20)
        if server.thread.is_alive():
            fail("it does not stop")
        for client in clients:
            with contextlib.suppress(ConnectionResetError):  # what it sent is unread
                client.expect_end()
        held.release()


@every_reactor
def test_nothing_is_left_open(step: str) -> None:
    """Each way a connection can end gives its descriptor back while the server runs."""
    with serving(step) as server:
        server.client().ask()
        for ending in (
            b"",
            request_bytes("/", "Connection: close"),
            request_bytes(version="1.0"),
            b"\0",
            request_bytes("/echo", "Content-Length: 9", method="POST"),
        ):
            for _ in range(5):
                client = server.client()
                client.send(ending)
                client.send_end()
                while client.receive_some():
                    pass
                client.close()
        wait_until(lambda: open_count(server) == 1, "the others are closed")
        assert threads_in("_work", "step02/workers.py") == 0
        assert len(os.listdir("/dev/fd")) < 100


@every_reactor
def test_between_two_requests_nothing_is_kept(step: str) -> None:
    """Neither a parser nor bytes: that is what makes a kept connection cheap."""
    chunked = request_bytes("/echo", "Transfer-Encoding: chunked", method="POST")
    body = request_bytes("/echo", "Content-Length: 3", method="POST")
    with serving(step) as server:
        client = server.client()
        for parts in (
            [request_bytes()],
            [request_bytes()[:9], request_bytes()[9:]],
            [request_bytes() * 3 + body + b"abc"],
            [
                request_bytes() + body + b"abc" + request_bytes()[:5],
                request_bytes()[5:],
            ],
            [body, b"abc"],
            [chunked, b"3\r\nabc\r\n", b"0\r\n\r\n"],
        ):
            sent = b""
            for part in parts:
                client.send(part)
                sent += part
                if part is not parts[-1]:
                    wait_until(
                        lambda: any(each.gatherer for each in connections(server)),
                        "a part of a request waits",
                    )
            for _ in range(sent.count(b" HTTP/1.1\r\n")):
                assert client.receive().status == 200
            wait_until(
                lambda: all(
                    each.gatherer is None and not each._unread
                    for each in connections(server)
                ),
                "nothing is kept",
            )


@every_reactor
def test_one_send_for_each_writable_event(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 20_000_000
    found: list[bool] = []  # for each call that sends: whether the kernel had room
    flush = Connection.flush

    def flushing(self: Connection) -> None:
        before = self.unsent
        flush(self)
        if before:
            found.append(self.unsent < before)

    monkeypatch.setattr(Connection, "flush", flushing)
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes(f"/bytes/{size}"))
        assert len(client.receive().body) == size
    assert len(found) > 2
    # In step 13 a worker says at the end that there is no more, and that is one look.
    assert found.count(False) <= (step == "step13")


@every_reactor
def test_a_client_hears_of_the_end_though_somebody_has_the_socket_too(
    step: str,
) -> None:
    """As a process has that a handler has forked."""
    with serving(step) as server:
        client = server.client()
        client.ask()
        also = os.dup(server.descriptor_of(client))
        try:
            client.send(request_bytes("/", "Connection: close"))
            assert client.receive().status == 200
            client.expect_end()
        finally:
            os.close(also)
