"""Step 15's coroutines by hand: when they stop, and what lets them go on.

What every step owes is tested in test_contract.py. As there, no test measures time:
each brings the server into a state, and shows what can and what cannot happen in it.
"""

import ast
import os
import re
import socket
from collections.abc import Generator
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import pytest

from steps.app import DOCUMENT
from steps.step15.by_hand import Future, Task
from tests.steps.harness import (
    BY_HAND,
    ROOT,
    Client,
    Listener,
    Running,
    request_bytes,
    serving,
    unread_bytes,
    wait_until,
)

both = pytest.mark.parametrize("step", BY_HAND)
LARGE = 40_000_000  # more than the buffers of two kernels hold


def watched(server: Running, client: Client) -> int | None:
    """For which event the client's coroutine waits; None while it runs, or is over."""
    keys = dict(server._server._loop._selector._fd_to_key)
    key = keys.get(server.descriptor_of(client))
    return None if key is None else int(key.events)


def wait_for(server: Running, client: Client, event: int | None) -> None:
    wait_until(lambda: watched(server, client) == event, f"it waits for {event}")


def is_read(server: Running, client: Client) -> bool:
    return unread_bytes(server.descriptor_of(client)) == 0


class ListenerOf(Listener):
    """Whose connections are of a kind of their own."""

    def __init__(self, kind: type[socket.socket]) -> None:
        super().__init__()
        self._kind = kind

    def accept(self) -> tuple[socket.socket, Any]:
        accepted, address = super().accept()
        return self._kind(fileno=accepted.detach()), address


# --- The server -----------------------------------------------------------------------


@both
def test_a_slow_reader_stops_nobody(step: str) -> None:
    with serving(step) as server:
        slow = server.client()
        slow.send(request_bytes(f"/bytes/{LARGE}") + request_bytes())
        wait_for(server, slow, EVENT_WRITE)
        for number in range(20):
            assert server.client().ask(f"/bytes/{number}").body == b"x" * number
        assert watched(server, slow) == EVENT_WRITE
        assert slow.receive().body == b"x" * LARGE
        assert slow.receive().body == DOCUMENT
        wait_for(server, slow, EVENT_READ)


@both
def test_who_does_not_read_is_not_read(step: str) -> None:
    """Nobody has written a line for that: the coroutine stands in send_all()."""
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes(f"/bytes/{LARGE}"))
        wait_for(server, client, EVENT_WRITE)
        more = request_bytes("/bytes/1") * 100
        client.send(more)
        for _ in range(20):
            assert server.client().ask().body == DOCUMENT
        assert unread_bytes(server.descriptor_of(client)) == len(more)
        assert len(client.receive().body) == LARGE
        for _ in range(100):
            assert client.receive().body == b"x"


@both
def test_100_clients_at_once(step: str) -> None:
    with serving(step) as server:
        clients = [server.client() for _ in range(100)]
        for _ in range(3):
            data = [request_bytes(f"/bytes/{number}") for number in range(100)]
            for client, request in zip(clients, data, strict=True):
                client.send(request[:-9])
            for client in clients:
                wait_until(lambda: is_read(server, client), "half of it is read")  # noqa: B023
            for client, request in reversed(list(zip(clients, data, strict=True))):
                client.send(request[-9:])
            for number, client in enumerate(clients):
                assert client.receive().body == b"x" * number
        assert server.stats.accepted == 100


@both
@pytest.mark.parametrize("leave", [Client.close, Client.reset, Client.send_end])
@pytest.mark.parametrize("length", [0, 1, 20, len(request_bytes()) - 1])
def test_half_a_request_and_a_client_that_leaves(
    step: str, leave: Any, length: int
) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes()[:length])
        descriptor = server.descriptor_of(client)
        leave(client)

        def is_forgotten() -> bool:
            return descriptor not in server._server._loop._selector._fd_to_key

        wait_until(is_forgotten, "its coroutine has ended")
        if leave is Client.send_end:
            client.expect_end()
        assert server.client().ask().body == DOCUMENT


@both
def test_a_slow_reader_that_leaves(step: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(step) as server:
        client = server.client()
        client.send(request_bytes(f"/bytes/{LARGE}"))
        wait_for(server, client, EVENT_WRITE)
        client.reset()
        assert server.client().ask().body == DOCUMENT
        wait_until(
            lambda: len(server._server._loop._selector._fd_to_key) <= 3,
            "only the listener, the stop event and the second client are watched",
        )
    assert caplog.records == []


class Narrow(socket.socket):
    """The kernel takes a little at a time, and every other time nothing."""

    sends = 0

    def send(self, data: Any, *flags: int) -> int:
        self.sends += 1
        if self.sends % 2:
            raise BlockingIOError
        return super().send(data[:7_001], *flags)


@both
def test_short_writes(step: str) -> None:
    body = os.urandom(100_000)
    with serving(step, listener=ListenerOf(Narrow)) as server:
        client = server.client()
        for _ in range(2):
            assert client.ask("/echo", method="POST", body=body).body == body
        assert client.ask(method="HEAD").status == 200
        client.send(b"\0")
        assert client.receive().status == 400
        client.expect_end()


class Mistaken(socket.socket):
    """Every other time there is nothing to be read, though the selector said so."""

    receives = 0

    def recv(self, *arguments: int) -> bytes:
        self.receives += 1
        if self.receives % 2:
            raise BlockingIOError
        return super().recv(*arguments)


@both
def test_a_socket_that_was_ready_and_no_longer_is(step: str) -> None:
    with serving(step, listener=ListenerOf(Mistaken)) as server:
        client = server.client()
        for _ in range(3):
            assert client.ask().body == DOCUMENT


class Endless(socket.socket):
    """Its client asks and asks, and has always read everything already."""

    def recv(self, *arguments: int) -> bytes:
        return request_bytes() if self.is_first else super().recv(*arguments)

    def send(self, data: Any, *flags: int) -> int:
        return len(data) if self.is_first else super().send(data, *flags)

    is_first = False


class OneIsEndless(ListenerOf):
    def accept(self) -> tuple[socket.socket, Any]:
        accepted, address = super().accept()
        accepted.is_first = len(self.accepted) == 1  # type: ignore[attr-defined]
        return accepted, address


@both
def test_a_client_that_never_stops_asking_stops_nobody(step: str) -> None:
    with serving(step, listener=OneIsEndless(Endless)) as server:
        greedy = server.client()
        greedy.send(b"it is never read, so the socket is always ready")
        server.descriptor_of(greedy)
        for _ in range(20):
            assert server.client().ask().body == DOCUMENT


@both
def test_the_loop_sleeps_while_nobody_is_ready(step: str) -> None:
    rounds = 0
    running = serving(step)
    selector = running._server._loop._selector
    select = selector.select

    def counted() -> Any:
        nonlocal rounds
        rounds += 1
        return select()

    selector.select = counted
    with running as server:
        slow, half = server.client(), server.client()
        slow.send(request_bytes(f"/bytes/{LARGE}"))
        wait_for(server, slow, EVENT_WRITE)
        half.send(request_bytes()[:-2])
        wait_until(lambda: is_read(server, half), "it is read")
        client = server.client()
        client.ask()
        before = rounds
        for _ in range(20):
            client.ask()
        assert rounds - before <= 21  # one for each, and one that may be under way


@both
def test_stop_ends_every_coroutine_where_it_stands(step: str) -> None:
    with serving(step) as server:
        kept, half, deaf = (server.client() for _ in range(3))
        kept.ask()
        half.send(request_bytes()[:-2])
        deaf.send(request_bytes(f"/bytes/{LARGE}"))
        for client, event in (kept, EVENT_READ), (half, EVENT_READ):
            wait_for(server, client, event)
        wait_for(server, deaf, EVENT_WRITE)
        wait_until(lambda: is_read(server, half), "it is read")
        keys = server._server._loop._selector._fd_to_key
        tasks = [keys[server.descriptor_of(c)].data.task for c in (kept, half, deaf)]
        server.stop()
        server.thread.join(20)
        for task in tasks:
            coroutine = task._coroutine
            frame = "gi_frame" if isinstance(coroutine, Generator) else "cr_frame"
            assert getattr(coroutine, frame) is None
            assert not task.is_done  # it has not come to its end
        kept.expect_end()
        half.expect_end()


# --- Coroutines, tasks and futures ----------------------------------------------------


def test_a_coroutine_goes_on_when_its_future_is_done() -> None:
    futures = [Future(), Future()]
    told: list[str] = []

    def inner() -> Generator[Future, None, str]:
        yield from futures[0]
        told.append("inner")
        return "what inner returns"

    def outer() -> Generator[Future, None, None]:
        told.append((yield from inner()))
        yield from futures[1]
        told.append("outer")

    task = Task(outer())
    assert (told, task.is_done) == ([], False)
    futures[0].set_result()
    assert (told, task.is_done) == (["inner", "what inner returns"], False)
    futures[1].set_result()
    assert (told[2:], task.is_done) == (["outer"], True)


def test_await_does_what_yield_from_does() -> None:
    futures = [Future(), Future()]
    told: list[str] = []

    async def inner() -> str:
        await futures[0]
        return "what inner returns"

    async def outer() -> None:
        told.append(await inner())
        await futures[1]

    task = Task(outer())
    futures[0].set_result()
    assert (told, task.is_done) == (["what inner returns"], False)
    futures[1].set_result()
    assert task.is_done


def test_the_two_files_differ_in_the_words_alone() -> None:
    def source(file: str) -> str:
        return (ROOT / "steps" / "step15" / file).read_text(encoding="utf-8")

    by_hand = source("by_hand.py").partition("# [waits]")[2]
    by_hand = by_hand.partition("# [/serve]")[0]
    assert by_hand.count("yield from") == 5
    by_hand = by_hand.replace("yield from", "await").replace("\ndef ", "\nasync def ")
    by_hand = re.sub(r"-> Coroutine\[(.+)\]:", r"-> \1:", by_hand)
    with_await = ast.parse(source("with_await.py")).body
    functions = [each for each in with_await if type(each) is ast.AsyncFunctionDef]
    assert functions
    assert ast.dump(ast.parse(by_hand)) == ast.dump(ast.Module([*functions], []))
