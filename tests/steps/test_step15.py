"""Step 15: asyncio's loop keeps the limits and the deadlines that step 12 keeps.

What every step owes is tested elsewhere. The deadlines' tests are those of steps 11 and
12, with the loop's own clock turned by hand.
"""

import errno
import gc
import logging
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from steps.app import DOCUMENT, app
from steps.http11 import Request, Response
from steps.step11.connection import Phase
from steps.step12.settings import Settings
from tests.steps import test_deadlines as deadlines
from tests.steps.harness import (
    DEADLINE_S,
    Held,
    Listener,
    Process,
    fail,
    request_bytes,
    serving,
    unread_bytes,
    wait_until,
)

both = pytest.mark.parametrize("step", ["step15", "step15-0"])


# --- Deadlines ------------------------------------------------------------------------


class Turning(deadlines.Turning):
    def turn(self, seconds: float) -> None:
        self._finish_round()
        super().turn(seconds)

    def _finish_round(self) -> None:
        """asyncio asks for the time when a deadline is set, not once a round."""
        is_over = threading.Event()
        self.server._server.loop.call_soon_threadsafe(is_over.set)
        assert is_over.wait(DEADLINE_S)


@contextmanager
def turning(
    step: str,
    application: Any = app,
    **more: Any,
) -> Iterator[Turning]:
    clock = deadlines.Clock()
    settings = Settings(
        header_timeout=deadlines.HEADER_S,
        body_timeout=deadlines.BODY_S,
        idle_timeout=deadlines.IDLE_S,
        write_timeout=deadlines.WRITE_S,
        handler_timeout=deadlines.HANDLER_S,
        grace=0.01,
    )
    running = serving(step, application, settings=settings, **more)
    running._server.loop.time = clock
    with running as server:
        try:
            yield Turning(server, clock)
        finally:
            server.stop()

            def is_over() -> bool:
                clock.now += 1
                with suppress(RuntimeError):  # it is closed
                    server._server.loop.call_soon_threadsafe(int)
                return not server.thread.is_alive()

            wait_until(is_over, "the drain is over")


@both
@pytest.mark.parametrize(
    "test",
    [
        deadlines.test_a_silent_client_is_told_nothing,
        deadlines.test_one_more_byte_does_not_earn_a_head_more_time,
        deadlines.test_requests_in_time_earn_time,
        deadlines.test_what_has_come_in_time_is_answered_though_nobody_looked,
        deadlines.test_a_body_that_is_late,
        deadlines.test_a_body_earns_time_at_the_least_rate,
        deadlines.test_a_slow_body_in_time_is_answered,
        deadlines.test_an_answer_that_is_not_read,
        deadlines.test_an_answer_that_is_read_slowly,
        deadlines.test_a_client_that_was_refused_and_stays,
    ],
    ids=lambda test: test.__name__.removeprefix("test_"),
)
def test_deadlines(
    test: Callable[[str], None], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "turning", turning)
    test(step)


@both
def test_a_head_that_is_late(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "turning", turning)
    deadlines.test_a_head_that_is_late(step, b"G")


def test_a_handler_that_is_late(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deadlines, "turning", turning)
    deadlines.test_a_handler_that_is_late("step15", caplog)


@pytest.mark.parametrize(
    "test",
    [
        deadlines.test_a_handler_in_the_loop_has_no_deadline,
        deadlines.test_what_came_while_a_handler_was_in_the_loop_came_in_time,
    ],
    ids=lambda test: test.__name__.removeprefix("test_"),
)
def test_deadlines_in_the_loop(
    test: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "turning", turning)
    test("step15-0")


@both
def test_what_comes_does_not_earn_time_for_what_is_not_read(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = request_bytes("/echo", "Content-Length: 1000000", method="POST")
    monkeypatch.setattr("steps.step15.connection.MAX_BUFFERED_BYTES", 100_000_000)
    with turning(step) as time:
        client = time.client(Phase.WRITE, request_bytes("/bytes/30000000") + body)
        for _ in range(3):
            with suppress(OSError):  # its time was up
                client.send(b"x" * 20_000)
            time.turn(deadlines.WRITE_S + deadlines.A_LITTLE_S)
        assert time.expired == 1


@both
def test_what_was_below_the_limit_is_sent_without_a_word(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport does not tell, and the deadline is that of an idle client."""
    monkeypatch.setattr("steps.step15.connection.MAX_BUFFERED_BYTES", 100_000_000)
    with turning(step) as time:
        client = time.client(Phase.WRITE, request_bytes("/bytes/30000000"))
        assert len(client.receive().body) == 30_000_000
        time.turn(2 * deadlines.WRITE_S + deadlines.A_LITTLE_S)
        time.wait_for(Phase.IDLE)
        assert client.ask().body == DOCUMENT
        assert time.expired == 0


def test_a_client_that_has_gone_is_forgotten() -> None:
    """It leaves no timer behind, and what a worker has for it sets none."""
    with Held() as held, serving("step15", held) as server, held:
        client = server.client()
        client.ask()
        (connection,) = server._server._connections
        known = [weakref.ref(connection)]
        client.close()
        wait_until(lambda: server.stats.open == 0, "it has gone")
        client = server.client()
        client.send(request_bytes("/held"))
        wait_until(lambda: held.entered, "the handler is called")
        (connection,) = server._server._connections
        known.append(weakref.ref(connection))
        del connection
        client.reset()
        wait_until(lambda: server.stats.open == 0, "it has gone")
        held.release()

        def forgotten() -> bool:
            gc.collect()  # without the GIL an object may wait for its thread to go on
            return not any(each() for each in known)

        wait_until(forgotten, "both are forgotten")


def test_no_request_of_a_client_that_has_gone_is_begun(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun: list[str] = []

    def leaving(request: Request) -> Response:
        begun.append(request.target)
        if request.target == "/1":
            client.reset()
        return app(request)

    with serving("step15-0", leaving) as server:
        client = server.client()
        client.send(b"".join(request_bytes(f"/{n}") for n in range(1, 20)))
        wait_until(lambda: begun and server.stats.open == 0, "it has gone")
    assert begun == ["/1"]
    assert caplog.records == []


# --- Limits ---------------------------------------------------------------------------


class Exhausted(Listener):
    """Has no descriptors for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_out = False
        self.refusals = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self.is_out:
            self.refusals += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_out_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("steps.step15.server.OVERLOAD_PAUSE_S", 3600.0)
    listener = Exhausted()
    with serving("step15", listener=listener) as server:
        inside = [server.client() for _ in range(2)]
        for client in inside:
            assert client.ask().body == DOCUMENT
        listener.is_out = True
        outside = server.client()
        outside.send(request_bytes())
        wait_until(lambda: listener.refusals, "it tries")
        for _ in range(50):  # rounds in which it does not
            assert inside[0].ask().body == DOCUMENT
        assert listener.refusals == 1
        inside[1].close()  # there may be one now
        wait_until(lambda: listener.refusals == 2, "it tries again")
        assert outside.has_nothing()
        listener.is_out = False
        inside[0].close()
        assert outside.receive().body == DOCUMENT
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_descriptors_that_others_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.step15.server.OVERLOAD_PAUSE_S", 0.001)
    listener = Exhausted()
    listener.is_out = True
    with serving("step15", listener=listener) as server:
        client = server.client()
        wait_until(lambda: listener.refusals > 3, "it tries, again and again")
        listener.is_out = False
        assert client.ask().body == DOCUMENT


def test_requests_on_a_connection() -> None:
    with serving("step15", settings=Settings(max_requests=3, grace=0.05)) as server:
        client = server.client()
        client.send(request_bytes() * 5)
        for connection in (None, None, "close"):
            assert client.receive().headers.get("connection") == connection
        client.expect_end()


def test_requests_whose_clients_have_gone_are_counted() -> None:
    """Else those who come, ask and go would fill the memory with their requests."""
    settings = Settings(max_connections=3, grace=0.05)
    with (
        Held() as held,
        serving("step15", held, workers=1, settings=settings) as server,
    ):
        for number in range(3):
            client = server.client()
            client.send(request_bytes("/held"))
            wait_until(
                lambda: server._server.with_workers > number,  # noqa: B023
                "it is with the workers",
            )
            client.reset()
        wait_until(lambda: server.stats.open == 0, "all have gone")
        client = server.client()
        answer = client.ask()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        held.release()
        wait_until(lambda: server._server.with_workers == 0, "they are done")
        assert server.client().ask().body == DOCUMENT


@both
def test_who_does_not_read_is_not_read(step: str) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes("/bytes/30000000"))
        wait_until(lambda: not client.has_nothing(), "the answer begins")
        client.send(request_bytes())  # it reads once more, and then no more
        server.client().ask()
        client.send(request_bytes("/bytes/1") * 100)
        descriptor = server.descriptor_of(client)
        for _ in range(20):
            assert server.client().ask().body == DOCUMENT
        assert unread_bytes(descriptor) == 100 * len(request_bytes("/bytes/1"))
        assert len(client.receive().body) == 30_000_000
        assert client.receive().body == DOCUMENT
        for _ in range(100):
            assert client.receive().body == b"x"


@pytest.mark.parametrize("flag", [["--access-log"]])
def test_what_is_not_to_be_had(flag: list[str]) -> None:
    with Process("step15", *flag) as process:
        code, said = process.end()
    assert (code, said.count("\n")) == (1, 1)
    assert "step12" in said


class Refusing(socket.socket):
    """As on macOS, where the client has gone."""

    def setsockopt(self, *option: Any) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")


class Gone(socket.socket):
    """Where the last bytes have been answered with a reset."""

    def shutdown(self, how: int) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")


class ListenerOf(Listener):
    def __init__(self, kind: type[socket.socket]) -> None:
        super().__init__()
        self._kind = kind

    def accept(self) -> tuple[socket.socket, Any]:
        accepted, address = super().accept()
        return self._kind(fileno=accepted.detach()), address


@both
@pytest.mark.parametrize("target", ["/", "/bytes/10000000"])
def test_a_client_that_has_gone_when_all_is_sent(
    step: str, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(step, listener=ListenerOf(Gone)) as server:
        client = server.client()
        assert client.ask(target, "Connection: close").status == 200
        client.close()
        wait_until(lambda: server.stats.open == 0, "it is closed here, too")
    assert caplog.records == []


@both
def test_a_client_that_half_closes_and_reads_slowly(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes("/bytes/10000000") * 2)
        client.send_end()
        for _ in range(2):
            assert len(client.receive().body) == 10_000_000
        client.expect_end()
        wait_until(lambda: server.stats.open == 0, "it is closed here, too")
        assert server.client().ask().body == DOCUMENT
    assert caplog.records == []


# asyncio's half-made transport complains when it is forgotten.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_client_that_has_gone_when_it_is_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving("step15", listener=ListenerOf(Refusing)) as server:
        for _ in range(3):
            server.client().expect_end()
        wait_until(lambda: server.stats.open == 0, "they are forgotten")
        assert server.stats.accepted == 3
    gc.collect()
    assert caplog.records == []


# --- Drain ----------------------------------------------------------------------------


@both
def test_a_request_that_was_under_way_when_the_drain_began(step: str) -> None:
    with serving(step, settings=Settings(grace=20)) as server:
        idle = server.client()
        idle.ask()
        half = server.client()
        half.send(request_bytes()[:-1])
        server.client().ask()
        server.stop()
        wait_until(lambda: server._server.is_draining, "the drain begins")
        with pytest.raises(ConnectionRefusedError):
            server.client()
        idle.send(request_bytes())
        half.send(request_bytes()[-1:])
        for client in idle, half:
            answer = client.receive()
            assert answer.body == DOCUMENT
            assert answer.headers["connection"] == "close"
            client.send_end()
            client.expect_end()


def test_a_connection_that_comes_just_before_the_listener_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving("step15", settings=Settings(grace=20)) as server:
        loop, late = server._server.loop, server.client(connected=False)
        remove_reader = loop.remove_reader

        def connect_first(listener: socket.socket) -> None:
            late.connect(server.port)
            remove_reader(listener)

        monkeypatch.setattr(loop, "remove_reader", connect_first)
        server.stop()
        wait_until(lambda: server._server.is_draining, "the drain begins")
        wait_until(lambda: server.stats.accepted, "it is accepted")
        assert late.ask().body == DOCUMENT
        late.close()  # else it is waited for


def test_a_drain_waits_for_a_worker_and_has_an_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(grace=20)
    with Held() as held, serving("step15", held, settings=settings) as server:
        client = server.client()
        client.send(request_bytes("/held") + request_bytes())
        wait_until(lambda: held.entered, "the handler is called")
        server.stop()
        wait_until(lambda: server._server.is_draining, "the drain begins")
        held.release()
        answer = client.receive()
        assert answer.body == b"held, and released"
        assert answer.headers["connection"] == "close"
        client.expect_end()
        client.close()  # else it is waited for
    with Held() as held:
        with serving("step15", held, settings=Settings(grace=0.01)) as server:
            client = server.client()
            client.send(request_bytes("/held"))
            wait_until(lambda: held.entered, "the handler is called")
            server.stop()
            server.thread.join(20)
            if server.thread.is_alive():
                fail("it does not stop")
            client.expect_end()
        held.release()  # and there is no loop to be told
    assert caplog.records == []
