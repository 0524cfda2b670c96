"""What each step does wrong, and that the steps after it do not.

No test here measures time. Each brings a server into the state that its chapter
describes, shows that only the event which the chapter names can end that state, and
then lets the event happen.
"""

import errno
import fcntl
import os
import re
import select
import socket
import struct
import sys
import termios
import threading
from array import array
from contextlib import ExitStack

import pytest

from steps.app import DOCUMENT
from steps.step02.workers import WorkerPool
from steps.step03.connections import KeptConnection
from steps.step04.wake_pipe import WakePipe
from tests.steps.harness import (
    STEPS,
    TIMED,
    Client,
    Held,
    Process,
    Running,
    SelectSpy,
    descriptors_up_to,
    request_bytes,
    serving,
    spy_on_select,
    threads_in,
    unread_bytes,
    wait_until,
)

A_MINUTE_S = 60.0
FD_SETSIZE = 1024
POOLED = STEPS[1:7]  # four workers, and select()
RECEIVING = ("receive", "step01/connection.py")  # a thread that blocks in recv()

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells what a socket has sent"
)


def is_answered(client: Client) -> bool:
    return client.receive().status == 200


def arrives(server: Running, client: Client, request: bytes) -> None:
    """Send a request, and wait until it lies unread in the server's socket."""
    descriptor = server.descriptor_of(client)
    client.send(request)
    wait_until(lambda: unread_bytes(descriptor) == len(request), "the request arrives")


def fill_descriptors(below: int, until_closed: ExitStack) -> None:
    """Take every free descriptor below that number."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) < below:
        until_closed.callback(os.close, descriptor)
    os.close(descriptor)


# --- Who waits for whom ---


def test_01_one_silent_client_stops_everybody() -> None:
    with serving("step01") as server:
        silent = server.client()
        wait_until(lambda: threads_in(*RECEIVING) == 1, "the silent one is served")
        client = server.client()
        client.send(request_bytes())
        # The only thread is in recv(), on a socket that nobody else writes to.
        assert threads_in(*RECEIVING) == 1
        assert server.stats.accepted == 1
        assert client.has_nothing()
        silent.close()
        assert is_answered(client)


@pytest.mark.parametrize("step", POOLED)
def test_02_to_07_four_half_requests_stop_everybody(step: str) -> None:
    with serving(step, workers=4) as server:
        slow = [server.client() for _ in range(4)]
        for client in slow[:3]:
            client.send(request_bytes()[:-2])
        wait_until(lambda: threads_in(*RECEIVING) == 3, "three workers receive")
        assert server.client().ask("/", "Connection: close").body == DOCUMENT

        slow[3].send(request_bytes()[:-2])
        wait_until(
            lambda: (
                all(unread_bytes(server.descriptor_of(c)) == 0 for c in slow)
                and threads_in(*RECEIVING) == 4
            ),
            "the fourth receives, too",
        )
        client = server.client()
        arrives(server, client, request_bytes())
        # Every worker is in recv(), on a socket that nobody else writes to.
        assert threads_in(*RECEIVING) == 4
        assert client.has_nothing()
        slow[1].close()
        assert is_answered(client)


def test_08_half_requests_stop_nobody() -> None:
    with serving("step08") as server:
        slow = [server.client() for _ in range(20)]
        for client in slow:
            client.send(request_bytes()[:-2])
        assert server.client().ask().body == DOCUMENT
        for client in slow:
            client.send(request_bytes()[-2:])
            assert is_answered(client)


@pytest.mark.parametrize("step", POOLED)
def test_02_to_07_a_handler_that_blocks_stops_one_worker(step: str) -> None:
    held = Held()
    with serving(step, held, workers=4) as server, held:
        blocking = [server.client() for _ in range(3)]
        for client in blocking:
            client.send(request_bytes("/held"))
        wait_until(lambda: held.entered == 3, "three handlers are called")
        for _ in range(10):
            assert server.client().ask().body == DOCUMENT
        assert all(client.has_nothing() for client in blocking)
        held.release()
        assert all(is_answered(client) for client in blocking)


@pytest.mark.parametrize("step", ["step01", "step08"])
def test_01_08_a_handler_that_blocks_stops_everybody(step: str) -> None:
    held = Held()
    with serving(step, held) as server, held:
        blocking = server.client()
        blocking.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        client = server.client()
        client.send(request_bytes())
        # The only thread is in the handler, which returns when this thread says so.
        assert server.stats.accepted == 1
        assert client.has_nothing()
        held.release()
        assert is_answered(blocking)
        assert is_answered(client)


# --- The timeout ---


def held_while_loop_sleeps(
    server: Running, spy: SelectSpy, held: Held, nobody: frozenset[int], *fields: str
) -> Client:
    """A client whose handler is held, and a loop that has gone to sleep since."""
    client = server.client()
    client.send(request_bytes("/held", *fields))
    wait_until(lambda: held.entered, "the handler is called")
    # Step 04 alone watches connections that are being served.
    watched = {server.descriptor_of(client)} if server.step == "step04" else set()
    wait_until(lambda: spy.watching == nobody | watched, "the loop calls select()")
    return client


@pytest.mark.parametrize("step", TIMED)
def test_03_05_a_kept_connection_waits_until_somebody_else_connects(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, held = spy_on_select(step, monkeypatch), Held()
    with serving(step, held, select_timeout_s=A_MINUTE_S) as server, held:
        nobody = spy.first_set()
        client = held_while_loop_sleeps(server, spy, held, nobody)
        call = spy.calls
        held.release()
        assert is_answered(client)

        arrives(server, client, request_bytes())
        # There it lies. The loop sleeps in a call that does not watch this connection.
        assert (spy.calls, spy.watching, spy.timeout_s) == (call, nobody, A_MINUTE_S)
        assert client.has_nothing()

        # The answer comes before that; who connects too early wakes nobody for it.
        wait_until(
            lambda: threads_in("_serve", f"{step}/server.py") == 0,
            "the worker puts the connection back",
        )
        assert server.client().ask().body == DOCUMENT
        assert is_answered(client)
        assert server.stats.timeouts == 0


@pytest.mark.parametrize("step", ["step03", "step04"])
def test_a_worker_that_gives_a_connection_back_holds_the_lock(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without: list[str] = []
    is_held: list[threading.Lock] = []

    class Spied(KeptConnection):
        def __setattr__(self, name: str, value: object) -> None:
            if (name, value) == ("busy", False) and name in self.__dict__:
                note(f"cleared by {threading.current_thread().name}")
            super().__setattr__(name, value)

        def __getattribute__(self, name: str) -> object:
            if name == "busy" and name in super().__getattribute__("__dict__"):
                note(f"looked at by {threading.current_thread().name}")
            return super().__getattribute__(name)

    def note(what: str) -> None:
        if not is_held[0].locked():
            without.append(what)

    monkeypatch.setattr(f"steps.{step}.server.KeptConnection", Spied)
    with serving(step) as server:
        is_held.append(server._server._connections.lock._lock)
        for client in [server.client(), server.client()]:
            for _ in range(3):
                client.send(request_bytes())
                assert is_answered(client)
    assert not without


@pytest.mark.parametrize("step", ["step04", "step06", "step07"])
def test_04_06_07_a_kept_connection_needs_nobody_else(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, held = spy_on_select(step, monkeypatch), Held()
    with serving(step, held) as server, held:
        client = held_while_loop_sleeps(server, spy, held, spy.first_set())
        held.release()
        assert is_answered(client)
        assert client.ask().body == DOCUMENT


@pytest.mark.parametrize("step", ["step05", "step06", "step07"])
def test_05_to_07_a_worker_may_be_quicker_than_the_loop(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has put the connection back before the loop goes on."""
    monkeypatch.setattr(WorkerPool, "submit", lambda pool, job: pool._serve(job))
    with serving(step) as server:
        client = server.client()
        for _ in range(3):
            assert client.ask().body == DOCUMENT


@pytest.mark.parametrize("step", ["step04", "step06", "step07"])
def test_04_06_07_no_wake_is_lost(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper wakes, looks for work and sleeps again, all before wake() returns."""
    spy, wake, done = spy_on_select(step, monkeypatch), WakePipe.wake, threading.Event()

    def wake_and_wait(pipe: WakePipe) -> None:
        calls = spy.calls
        wake(pipe)
        wait_until(
            lambda: done.is_set() or (spy.calls > calls and spy.watching),
            "the keeper sleeps again",
        )

    monkeypatch.setattr(WakePipe, "wake", wake_and_wait)
    with serving(step) as server:
        spy.first_set()
        client = server.client()
        for _ in range(3):
            assert client.ask().body == DOCUMENT
        done.set()


@pytest.mark.parametrize("when", ["before the read", "after the read"])
def test_04_a_wake_during_drain_is_not_the_last(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, read = WakePipe(), os.read
    another = threading.Thread(target=pipe.wake)

    def wake() -> None:
        """Until it is through, or waits for the lock that drain() has."""
        another.start()
        another.join(0.05)

    def read_and_be_woken(descriptor: int, count: int) -> bytes:
        if when == "before the read":
            wake()
        data = read(descriptor, count)
        if when == "after the read":
            wake()
        return data

    try:
        pipe.wake()
        with monkeypatch.context() as during:
            during.setattr(os, "read", read_and_be_woken)
            pipe.drain()
        another.join()
        pipe.wake()
        assert unread_bytes(pipe.fileno()) > 0
    finally:
        pipe.close()


# --- Closed descriptors ---


def test_03_a_closed_descriptor_in_the_set() -> None:
    with serving("step03") as server:
        kept, closing = server.client(), server.client()
        kept.ask()
        assert server.stats.ebadf == 0
        closing.ask("/", "Connection: close")
        closing.expect_end()
        wait_until(lambda: server.stats.ebadf, "select() refuses the set")
        assert kept.ask().body == DOCUMENT
        assert server.client().ask().body == DOCUMENT
        assert server.stats.ebadf == 1


def close_while_the_set_is_made(server: Running, spy: SelectSpy, held: Held) -> int:
    """Step 04: stop the keeper between making its set and calling select() with it,
    and let a worker close a connection in the set. Its descriptor is returned."""
    closing = server.client()
    woken_by = server.client(connected=False)
    closing.send(request_bytes("/held", "Connection: close"))
    wait_until(lambda: held.entered, "the handler is called")
    descriptor = server.descriptor_of(closing)

    spy.pauses_before = lambda watched: len(watched) == 4
    woken_by.connect(server.port)
    spy.pause.wait()
    assert spy.watching is not None
    assert descriptor in spy.watching
    held.release()
    assert is_answered(closing)
    closing.expect_end()

    def is_closed() -> bool:
        try:
            os.fstat(descriptor)
        except OSError:
            return True
        return False

    wait_until(is_closed, "the worker closes the connection")
    return descriptor


def test_04_a_closed_descriptor_in_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    spy, held = spy_on_select("step04", monkeypatch), Held()
    with serving("step04", held) as server, held, spy.pause:
        close_while_the_set_is_made(server, spy, held)
        assert (server.stats.ebadf, server.stats.stale) == (0, 0)
        spy.pause.go_on()
        wait_until(lambda: server.stats.ebadf, "select() refuses the set")
        assert server.client().ask().body == DOCUMENT
        assert (server.stats.ebadf, server.stats.stale) == (1, 0)
        assert [error.errno for error in spy.errors] == [errno.EBADF]


def test_04_a_closed_descriptor_s_number_is_a_strangers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spy, held = spy_on_select("step04", monkeypatch), Held()
    with serving("step04", held) as server, held, spy.pause, ExitStack() as fillers:
        stranger = server.client(connected=False)
        closed = close_while_the_set_is_made(server, spy, held)
        fill_descriptors(closed, fillers)
        stranger.connect(server.port)
        assert server.descriptor_of(stranger) == closed
        arrives(server, stranger, request_bytes())
        spy.pause.go_on()
        assert is_answered(stranger)
        assert (server.stats.ebadf, server.stats.stale) == (0, 1)


def test_04_closes_though_another_thread_watches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spy, held = spy_on_select("step04", monkeypatch), Held()
    with serving("step04", held) as server, held:
        client = held_while_loop_sleeps(
            server, spy, held, spy.first_set(), "Connection: close"
        )
        held.release()
        assert is_answered(client)
        client.expect_end()


@pytest.mark.parametrize("step", ["step05", "step06", "step07"])
def test_05_to_07_watch_no_closed_descriptor(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = spy_on_select(step, monkeypatch)
    with serving(step) as server:
        for _ in range(20):
            clients = [server.client() for _ in range(12)]
            for client in clients:
                client.send(request_bytes())
            assert all(is_answered(client) for client in clients)
            for client in clients[:3]:
                client.send(request_bytes("/", "Connection: close"))
            for client in clients[3:6]:
                client.send(b"\0")
            for client in clients[6:9]:
                client.reset()
            for client in clients[9:]:
                client.close()
            assert all(is_answered(client) for client in clients[:3])
            assert all(client.receive().status == 400 for client in clients[3:6])
            for client in clients[:6]:
                client.expect_end()
                client.close()
        assert server.client().ask().body == DOCUMENT
        assert spy.errors == []


# --- Readable, and nobody reads ---


def test_04_calls_select_without_end_while_a_worker_is_awaited() -> None:
    held = Held()
    with serving("step04", held, workers=1) as server, held:
        blocking, waiting = server.client(), server.client()
        blocking.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        before = server.stats.select_calls
        waiting.send(request_bytes())
        bound = before + 5_000
        wait_until(lambda: server.stats.select_calls > bound, "thousands of calls")
        assert server.stats.dispatched == 2
        assert server.stats.busy_ready > 4_000
        assert waiting.has_nothing()
        held.release()
        assert is_answered(waiting)


@pytest.mark.parametrize("step", ["step06", "step07"])
def test_06_07_sleep_while_a_worker_is_awaited(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, held = spy_on_select(step, monkeypatch), Held()
    with serving(step, held, workers=1) as server, held:
        nobody = spy.first_set()
        held_while_loop_sleeps(server, spy, held, nobody)
        waiting = server.client()
        waiting.send(request_bytes())
        wait_until(
            lambda: server.stats.dispatched == 2 and spy.watching == nobody,
            "the loop gives the second client to a worker, and sleeps",
        )
        # Of its set, the stop event and the pipe, only this thread could wake it.
        assert spy.calls < 10
        assert waiting.has_nothing()
        held.release()
        assert is_answered(waiting)


def test_04_gives_no_worker_a_connection_that_has_been_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """select() said readable, a worker read it and went; then the keeper acts on it."""
    spy, held = spy_on_select("step04", monkeypatch), Held()
    with serving("step04", held, workers=1) as server, held, spy.pause:
        blocking, waiting = server.client(), server.client()
        blocking.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        waiting.send(request_bytes())
        descriptor = server.descriptor_of(waiting)
        spy.pauses_after = lambda ready: (
            descriptor in ready and server.stats.dispatched == 2
        )
        spy.pause.wait()
        held.release()
        assert is_answered(waiting)
        wait_until(
            lambda: threads_in("_serve", "step04/server.py") == 0, "the worker is free"
        )
        spy.pause.go_on()
        assert server.client().ask().body == DOCUMENT


# --- Two writes ---


def unsent(descriptor: int) -> int:
    """Bytes that were written to a socket, and that the kernel has not sent yet."""
    siocoutqnsd = 0x894B  # linux/sockios.h
    return queued(descriptor, siocoutqnsd)


def unacknowledged(descriptor: int) -> int:
    """Bytes that were written to a socket, and that its peer has not acknowledged."""
    return queued(descriptor, termios.TIOCOUTQ)


def queued(descriptor: int, which: int) -> int:
    count = array("i", [0])
    fcntl.ioctl(descriptor, which, count)
    return count[0]


class Segments:
    """How many TCP segments a client's system has exchanged with the server's."""

    def __init__(self, client: Client) -> None:
        info = client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        # struct tcp_info in linux/tcp.h: tcpi_segs_out, tcpi_data_segs_in
        (self.sent,) = struct.unpack_from("I", info, 136)
        (self.received_with_data,) = struct.unpack_from("I", info, 152)


@on_linux
@pytest.mark.parametrize("step", STEPS[2:6])
def test_03_to_06_the_body_waits_for_the_heads_acknowledgement(step: str) -> None:
    with serving(step) as server:
        client = server.client(quick_ack=False)
        client.ask()
        connection = server.descriptor_of(client)
        # From the second request on, the client's system delays acknowledgements: by
        # 40 ms, which is how long there is to look. On a busy machine, look again.
        for _ in range(50):
            client.send(request_bytes())
            data = client.receive_some()
            wait_until(
                lambda: unsent(connection) or not client.has_nothing(),
                "the server writes the body",
            )
            state = (unsent(connection), unacknowledged(connection))
            if state == (len(DOCUMENT), len(data) + len(DOCUMENT)):
                break
            if not data.endswith(DOCUMENT):
                assert client.receive_some() == DOCUMENT
        else:
            pytest.fail("the body never waited")
        # The server has written all. The head has come; its acknowledgement has not
        # gone, and so the body has not.
        assert re.fullmatch(rb"HTTP/1.1 200 OK\r\n.*\r\n\r\n", data, re.DOTALL)
        client.acknowledge()
        assert client.receive_some() == DOCUMENT
        assert unsent(connection) == 0


@on_linux
@pytest.mark.parametrize("step", STEPS[2:])
def test_03_to_06_need_two_segments_and_later_ones_one(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.ask()
        for _ in range(20):
            before = Segments(client)
            client.ask()
            after = Segments(client)
            segments = after.received_with_data - before.received_with_data
            if step in STEPS[2:6]:
                assert segments == 2
                # Beside the request: the acknowledgement that the body waited for.
                assert after.sent - before.sent >= 2
            else:
                assert segments == 1


@on_linux
@pytest.mark.parametrize("step", ["step01", "step02"])
def test_01_02_closing_sends_the_body_without_an_acknowledgement(step: str) -> None:
    with serving(step) as server:
        # On a busy machine the client's system may acknowledge the head meanwhile.
        for _ in range(50):
            client = server.client(quick_ack=False)
            client.delay_acknowledgements()
            before = Segments(client)
            assert client.ask().body == DOCUMENT
            client.expect_end()
            after = Segments(client)
            client.close()
            assert after.received_with_data - before.received_with_data == 2
            # The request, and one acknowledgement for head, body and end together.
            if after.sent - before.sent == 2:
                return
        pytest.fail("the body always waited for an acknowledgement of the head")


# --- What select() cannot watch ---


@pytest.mark.parametrize("step", POOLED)
def test_02_to_07_select_refuses_descriptor_1024(step: str) -> None:
    with (
        descriptors_up_to(FD_SETSIZE + 200),
        serving(step) as server,
        ExitStack() as fillers,
    ):
        early = [server.client() for _ in range(2)]
        # With small descriptors, both of them: none is left when they are filled. Nor
        # may one come free: step 02 closes a connection that it has answered, at some
        # time after the answer, so nobody asks for anything yet.
        wait_until(lambda: server.stats.accepted == 2, "both are accepted")
        late, later = (server.client(connected=False) for _ in range(2))
        fill_descriptors(FD_SETSIZE, fillers)
        late.connect(server.port)
        late.expect_end()
        assert server.descriptor_of(late) >= FD_SETSIZE
        assert (server.stats.accepted, server.stats.refused) == (2, 1)
        assert early[0].ask().body == DOCUMENT
        fillers.close()
        assert later.sock.fileno() < FD_SETSIZE
        later.connect(server.port)
        assert later.ask().body == DOCUMENT
        assert early[1].ask().body == DOCUMENT
        assert (server.stats.accepted, server.stats.refused) == (3, 1)


def test_08_serves_descriptor_1024() -> None:
    with (
        descriptors_up_to(FD_SETSIZE + 200),
        serving("step08") as server,
        ExitStack() as fillers,
    ):
        client = server.client(connected=False)
        fill_descriptors(FD_SETSIZE, fillers)
        client.connect(server.port)
        assert client.ask().body == DOCUMENT
        descriptor = server.descriptor_of(client)
        assert descriptor >= FD_SETSIZE
        with pytest.raises(ValueError, match="range"):
            select.select([descriptor], [], [], 0)


def test_08_holds_10_000_connections() -> None:
    count = 10_000
    with descriptors_up_to(count + 200), Process("step08") as process:
        port = process.listening_port()
        clients = [Client() for _ in range(count)]
        try:
            for number, client in enumerate(clients, 1):
                client.connect(port)
                if number % 500 == 0:  # let the server keep up: the backlog is finite
                    assert client.ask().body == DOCUMENT
            assert process.stats()["accepted"] == count
            for client in clients[:: count // 100]:
                assert client.ask().body == DOCUMENT
            with Client() as one_more:
                one_more.connect(port)
                assert one_more.ask().body == DOCUMENT
        finally:
            for client in clients:
                client.reset()  # leaves no port in TIME_WAIT
