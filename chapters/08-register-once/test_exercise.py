"""Checks chapters/08-register-once/exercise.py.

The starter is told: The kernel remembers the set
"""

import contextlib
import functools
import os
import selectors
import socket
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from workshop import Answer, check, within

#: What Bench.who() says when a or b is called back, and not the other.
ONE_OF_TWO = ("called back: a", "called back: b")


class WouldWaitError(Exception):
    """Nothing is ready, nothing will come, and select() is to wait for it."""


class Selector(selectors.SelectSelector):
    """Notes what it is asked, and never sleeps.

    What is to come while it waits is in `arriving`, one piece of news a call. A call
    with a limit ends without news, for its time is taken to be over. Who was registered
    first is named first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.timeouts: list[float | None] = []
        self.arriving: list[Callable[[], object]] = []
        self.in_vain = 0
        self.turns: dict[int, int] = {}
        #: How much memory was in use at most, while it is traced, select() left out.
        self.peaks: list[int] = []

    def register(
        self, fileobj: Any, events: int, data: object = None
    ) -> selectors.SelectorKey:
        self.calls.append("register")
        key = super().register(fileobj, events, data)
        self.turns[key.fd] = len(self.calls)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self.calls.append("unregister")
        return super().unregister(fileobj)

    def modify(
        self, fileobj: Any, events: int, data: object = None
    ) -> selectors.SelectorKey:
        self.calls.append("modify")
        return super().modify(fileobj, events, data)

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.timeouts.append(timeout)
        if tracemalloc.is_tracing():
            self.peaks.append(tracemalloc.get_traced_memory()[1])
        ready = super().select(0)
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        if not ready and timeout is not None:
            self.in_vain += 1
        # One that asks again and again has its news in the end, or it would never end.
        if not ready and (timeout is None or self.in_vain % 100 == 0):
            if self.arriving:
                self.arriving.pop(0)()
                ready = super().select(0)
            elif timeout is None:
                raise WouldWaitError
        return sorted(ready, key=lambda pair: self.turns[pair[0].fd])


class Bench:
    """A reactor, its selector, and sockets; it notes who is called back."""

    def __init__(self, exercise: Answer) -> None:
        self.exercise = exercise
        self.selector = Selector()
        self.errors: list[tuple[str, object, bool]] = []
        self.may_fail = False
        self.called: list[str] = []
        #: Callbacks and errors, in the order in which they came.
        self.happened: list[str] = []
        self.names: dict[socket.socket, str] = {}
        self.peers: dict[str, socket.socket] = {}
        self.reactor = exercise.Reactor(self.selector, self.on_error)

    def sock(self, name: str, *, ready: bool = True) -> socket.socket:
        sock, self.peers[name] = socket.socketpair()
        sock.setblocking(False)
        self.names[sock] = name
        if ready:
            self.send(name)
        return sock

    def send(self, name: str) -> int:
        return self.peers[name].send(b"x")

    def register_reader(self, sock: socket.socket) -> None:
        self.register(sock, lambda: sock.recv(100))

    def register(
        self,
        sock: socket.socket,
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Its callback notes that it is called, and does something then."""

        def callback(given: object) -> None:
            stranger = " with another socket" if given is not sock else ""
            self.called.append(self.names[sock] + stranger)
            self.happened.append(self.names[sock])
            then()

        self.reactor.register(sock, callback)

    def on_error(self, sock: object, error: object) -> None:
        name = self.names[sock] if isinstance(sock, socket.socket) else repr(sock)
        keys = self.selector.get_map().values()
        watched = any(key.fileobj is sock for key in keys)
        self.errors.append((name, error, watched))
        self.happened.append(f"on_error({name})")

    def round(self, *, called: str, expected: str, why: str) -> str:
        """Do a round without waiting; gives in words who was called back."""
        self.called.clear()
        with within(2, self.exercise, called=called, expected=expected, why=why):
            self.reactor.run_once(0)
        return self.who()

    def who(self) -> str:
        who = "called back: " + (", ".join(sorted(self.called)) or "nobody")
        if self.errors and not self.may_fail:
            name, error, _ = self.errors[0]
            who += f"; on_error() called with {name}, {error!r}"
        return who

    def check_round(self, *, called: str, expected: str, why: str) -> None:
        came_back = self.round(called=called, expected=expected, why=why)
        check(
            came_back == expected,
            called=called,
            came_back=came_back,
            expected=expected,
            why=why,
        )

    def close(self) -> None:
        for sock in (*self.names, *self.peers.values()):
            sock.close()
        self.selector.close()


@pytest.fixture
def bench(exercise: Answer) -> Iterator[Bench]:
    bench = Bench(exercise)
    with contextlib.closing(bench):
        yield bench


def test_who_is_ready(bench: Bench) -> None:
    """Those are called back that are readable, with their own socket."""
    for name, ready in (("a", True), ("b", False), ("c", True)):
        bench.register_reader(bench.sock(name, ready=ready))
    bench.check_round(
        called="run_once(0) where a and c are readable and b is not",
        expected="called back: a, c",
        why="A callback reads from its socket. Called when nothing is there, it waits, "
        "and the whole server with it; not called, its client waits.",
    )


def test_one_select(bench: Bench) -> None:
    """A round asks the selector once, and waits as long as it is told."""
    bench.register_reader(bench.sock("a", ready=False))
    with contextlib.suppress(WouldWaitError):
        bench.reactor.run_once(1.5)
        bench.reactor.run_once(0)
        bench.send("a")
        bench.reactor.run_once()
    expected = [1.5, 0, None]
    timeouts = bench.selector.timeouts
    check(
        timeouts == expected,
        called="run_once(1.5), run_once(0), run_once()",
        came_back=f"select() was called with these timeouts: {timeouts}",
        expected=f"{expected}",
        why="Only the caller knows how long there is nothing else to do. A round that "
        "asks twice serves those who talk most before the caller's turn comes.",
    )


def test_register_once(bench: Bench) -> None:
    """The selector is told of a socket once, not in every round."""
    for name in ("a", "b", "c"):
        bench.register(bench.sock(name))
    rounds = 100
    for _ in range(rounds):
        bench.check_round(
            called=f"run_once(0), {rounds} times, where a, b and c stay readable",
            expected="called back: a, b, c",
            why="What has not been read yet is still there, so the socket is ready "
            "again in the next round.",
        )
    calls = bench.selector.calls
    came_back = ", ".join(
        f"{calls.count(call)} calls of {call}()" for call in dict.fromkeys(calls)
    )
    check(
        calls == ["register"] * 3,
        called=f"register() for 3 sockets, then run_once(0), {rounds} times",
        came_back=f"at the selector: {came_back or 'no call'}",
        expected="at the selector: 3 calls of register()",
        why="The kernel remembers the set. Each of these calls is a system call with "
        "epoll or kqueue: a set that is told again in every round costs as much as "
        "select() did, with more calls.",
    )


def test_unregister(bench: Bench) -> None:
    """An unregistered socket is not called back; to do it twice does no harm."""
    a, b = bench.sock("a"), bench.sock("b")
    bench.register(a)
    bench.register(b)
    bench.reactor.unregister(a)
    bench.check_round(
        called="register(a), register(b), unregister(a), run_once(0)",
        expected="called back: b",
        why="Whoever unregisters a socket closes it next, or reads it itself.",
    )
    for where in ("is not registered", "is not registered, and closed"):
        if "closed" in where:
            a.close()
        came_back: object = None
        try:
            bench.reactor.unregister(a)
        except Exception as error:
            came_back = error
        check(
            came_back is None,
            called=f"unregister(a) where a {where}",
            came_back=came_back,
            expected="nothing: it returns",
            why="Several parts of a server give up a connection: a callback, a "
            "deadline, on_error. Who comes second must not fail, least of all in the "
            "middle of cleaning up.",
        )


def test_unregistered_meanwhile(bench: Bench) -> None:
    """Unregistered by another in the same round: not called any more."""
    a, b, c, d = (bench.sock(name) for name in "abcd")

    def close(sock: socket.socket) -> None:
        bench.reactor.unregister(sock)
        sock.close()

    for sock, other in ((a, b), (b, a)):
        bench.register(sock, functools.partial(close, other))
    for sock, other in ((c, d), (d, c)):
        bench.register(sock, functools.partial(bench.reactor.unregister, other))
    called = (
        "run_once(0) where four are readable: of a and b, whoever is called first "
        "unregisters and closes the other; of c and d, unregisters it"
    )
    expected = "called back: one of a and b, one of c and d"
    came_back = bench.round(called=called, expected=expected, why="")
    if len(bench.called) < 2:
        why = (
            "Where one registration is gone, the others of the round are as ready as "
            "they were, and their clients wait."
        )
    elif len(bench.called) == 3 and {"c", "d"} < set(bench.called):
        why = (
            "An open socket may be unregistered as well: somebody else reads it from "
            "now on, or it shall wait. Whether it is closed does not matter."
        )
    else:
        why = (
            "What select() said was true when it returned. A callback may change it "
            "for those whose turn comes later in the round: here, the second one reads "
            "from a closed socket."
        )
    check(
        came_back in [f"called back: {one}, {other}" for one in "ab" for other in "cd"],
        called=called,
        came_back=came_back,
        expected=expected,
        why=why,
    )


def test_closes_itself(bench: Bench) -> None:
    """A callback may unregister and close its own socket."""
    a, b = bench.sock("a"), bench.sock("b")

    def hang_up() -> None:
        bench.reactor.unregister(a)
        a.close()

    bench.register(a, hang_up)
    bench.register(b)
    for expected in ("called back: a, b", "called back: b"):
        bench.check_round(
            called="run_once(0), twice, where a's callback unregisters and closes a",
            expected=expected,
            why="That is how most connections end. After the callback the socket may "
            "be closed, and nothing more can be asked of it.",
        )


def test_registered_meanwhile(bench: Bench) -> None:
    """Registered during a round: first called in the next one."""
    a, new = bench.sock("a"), bench.sock("new")

    waiting = [new]

    def accept() -> None:
        while waiting:
            bench.register(waiting.pop())

    bench.register(a, accept)
    for expected in ("called back: a", "called back: a, new"):
        bench.check_round(
            called="run_once(0), twice, where a's callback registers a new socket, "
            "which is readable at once",
            expected=expected,
            why="A round that goes on as long as somebody new is ready may never end "
            "while clients keep coming, and those who wait for the next one starve.",
        )


def test_number_reused(bench: Bench) -> None:
    """A new socket with an old one's number does not get its readiness."""
    a, b = bench.sock("a"), bench.sock("b")
    silent = bench.sock("new", ready=False)

    def replace(old: socket.socket) -> None:
        if "new" in bench.names.values():
            return
        bench.reactor.unregister(old)
        number = old.detach()
        # As close() and accept() would: the lowest free number is taken first.
        os.dup2(silent.fileno(), number)
        new = socket.socket(fileno=number)
        bench.names[new] = "new"
        bench.register(new)

    bench.register(a, lambda: replace(b))
    bench.register(b, lambda: replace(a))
    del bench.names[silent]
    where = (
        "a and b are readable; whoever is called first closes the other and registers "
        "a new socket, which gets the same number and has nothing to read"
    )
    with contextlib.closing(silent):
        came_back = bench.round(
            called=f"run_once(0) where {where}", expected="one is called back", why=""
        )
    if "new" in bench.called:
        why = (
            "The kernel gives a closed descriptor's number to the next one. What "
            "select() said of the number was said of the old socket: the new one's "
            "callback finds nothing to read, and waits."
        )
    else:
        why = "It was closed: its callback would read what belongs to a stranger now."
    check(
        came_back in ONE_OF_TWO,
        called=f"run_once(0) where {where}",
        came_back=came_back,
        expected="one of a and b called back, and nobody else",
        why=why,
    )
    bench.send("new")
    called = "run_once(0) after that, where the new socket is readable"
    came_back = bench.round(called=called, expected="new is called back", why="")
    check(
        "new" in bench.called,
        called=called,
        came_back=came_back,
        expected="the new one called back",
        why="It is registered like any other, whoever had its number before.",
    )


def test_registered_again(bench: Bench) -> None:
    """Unregistered and registered again in a round: called in the next one."""
    a, b = bench.sock("a"), bench.sock("b")
    callbacks: dict[socket.socket, Callable[[object], object]] = {}

    def read_for(other: socket.socket, name: str) -> Callable[[object], object]:
        def callback(sock: object) -> None:
            bench.called.append(name)
            bench.reactor.unregister(other)
            with contextlib.suppress(BlockingIOError):
                other.recv(100)
            bench.reactor.register(other, callbacks[other])

        return callback

    callbacks.update({a: read_for(b, "a"), b: read_for(a, "b")})
    for sock, callback in callbacks.items():
        bench.reactor.register(sock, callback)
    why = (
        "The socket and its number are the same, but the registration that select() "
        "found ready is gone. Its bytes may have been read meanwhile, as they were "
        "here: a callback that reads would wait, and the whole server with it."
    )
    called = (
        "run_once(0) where a and b are readable, and whoever is called first "
        "unregisters the other, reads it, and registers it again"
    )
    came_back = bench.round(called=called, expected="one is called back", why=why)
    check(
        came_back in ONE_OF_TWO,
        called=called,
        came_back=came_back,
        expected="one of them called back, and not the other",
        why=why,
    )


def test_callback_raises(bench: Bench) -> None:
    """A callback that raises harms nobody else, and is told of."""

    raised = []

    def fail() -> None:
        raised.append(KeyError(3))
        raise raised[-1]

    bench.may_fail = True

    for name in "abc":
        bench.register(bench.sock(name), fail)
    bench.register(bench.sock("d"))
    called = (
        "run_once(0) where a, b, c and d are readable; the callbacks of a, b and c "
        "raise KeyError"
    )
    expected = "called back: a, b, c, d"
    why = (
        "Whoever is ready with it is left out, though it has done nothing wrong: the "
        "round goes on after a mistake in one callback."
    )
    try:
        came_back = bench.round(called=called, expected=expected, why=why)
    except KeyError as error:
        came_back = f"{error!r} comes out of run_once(); {bench.who()}"
        why = (
            "One thread serves everybody. If a mistake in one callback ends the loop, "
            "one client's request takes the whole server down."
        )
    check(
        came_back == expected,
        called=called,
        came_back=came_back,
        expected=expected,
        why=why,
    )
    wrongly = [error for _, error, _ in bench.errors if error not in raised]
    check(
        not wrongly,
        called=called,
        came_back=f"on_error() called with {wrongly[:1]}",
        expected="on_error() called with the exception that was raised",
        why="The exception itself says what happened, and in which line. Its class or "
        "its text alone does not.",
    )
    told = sorted(name for name, _, _ in bench.errors)
    reports = ", then with ".join(
        f"{name}, {error!r}" for name, error, _ in bench.errors
    )
    check(
        told == ["a", "b", "c"],
        called=called,
        came_back=f"on_error() called with {reports or 'nothing: it is not called'}",
        expected="on_error() called once for a, b and c, each with its KeyError",
        why="An exception swallowed is a connection that never gets an answer, and a "
        "log that does not say why.",
    )
    in_order = ", ".join(bench.happened)
    check(
        all(f"{name}, on_error({name})" in in_order for name in "abc"),
        called=called,
        came_back=f"in this order: {in_order}",
        expected="each on_error() immediately after its callback",
        why="Until on_error() is called nobody has closed the socket or noted that it "
        "has failed. The callbacks that run meanwhile take it for a good one.",
    )
    check(
        len(bench.selector.timeouts) == 1,
        called=called,
        came_back=f"select() was called {len(bench.selector.timeouts)} times",
        expected="select() is called once",
        why="The others have been found ready already, and keep their turn. Who asks "
        "again in the middle of a round calls some twice, and the newest before those "
        "who wait.",
    )
    bench.check_round(
        called="run_once(0) once more, after the callbacks of a, b and c raised",
        expected="called back: d",
        why="What they have not read is still there. A socket that stays registered "
        "is ready at once, its callback raises again, and the loop spins for ever.",
    )
    check(
        not any(watched for _, _, watched in bench.errors),
        called=called,
        came_back="on_error() is called while the socket is still registered",
        expected="first it is unregistered, then on_error() is called",
        why="on_error() closes the socket. Closed while it is registered, it leaves "
        "its number behind in the selector, for a stranger to be taken for it.",
    )


def test_raises_after_closing(bench: Bench) -> None:
    """A callback may have closed its socket before it raises."""
    a, new = bench.sock("a"), bench.sock("new")

    def hand_over_and_fail() -> None:
        bench.reactor.unregister(a)
        number = a.detach()
        os.dup2(new.fileno(), number)
        successor = socket.socket(fileno=number)
        bench.names[successor] = "new"
        bench.register(successor)
        raise KeyError

    bench.may_fail = True
    bench.register(a, hand_over_and_fail)
    called = (
        "run_once(0) where a's callback closes a, registers a new socket that gets the "
        "same number, and raises KeyError"
    )
    expected = "called back: a"
    try:
        came_back = bench.round(called=called, expected=expected, why="")
    except Exception as error:
        came_back = f"{error!r} comes out of run_once()"
    check(
        came_back == expected and [name for name, _, _ in bench.errors] == ["a"],
        called=called,
        came_back=f"{came_back}; on_error() called {len(bench.errors)} times",
        expected=f"{expected}; on_error() called once",
        why="A callback that fails may have cleaned up before. To do it again for a "
        "closed socket is no error."
        if bench.errors or "comes out" in came_back
        else "A callback that cleans up and fails has failed all the same. on_error() "
        "has to be told, or the log does not say why the connection has ended.",
    )
    bench.check_round(
        called="run_once(0) after that, where the new socket is readable",
        expected="called back: new",
        why="The number belongs to the new socket now. To unregister the number that "
        "the old one had hits a stranger, who is never called again.",
    )


def test_raises_after_registering(bench: Bench) -> None:
    """A callback may have registered its socket again before it raises."""
    a = bench.sock("a")

    def register_and_fail() -> None:
        bench.reactor.unregister(a)
        bench.register(a, lambda: None)
        raise KeyError

    bench.may_fail = True
    bench.register(a, register_and_fail)
    called = (
        "run_once(0), twice, where a's callback unregisters a, registers it again with "
        "another callback, and raises KeyError"
    )
    for expected in ("called back: a", "called back: nobody"):
        bench.check_round(
            called=called,
            expected=expected,
            why="on_error() is told that a has failed, and closes it. The registration "
            "that the callback made is one of a as well: closed while it is "
            "registered, a leaves its number behind in the selector.",
        )


def test_interrupt(bench: Bench) -> None:
    """Ctrl-C in a callback ends the loop."""
    raised: list[type[BaseException]] = []

    def interrupt() -> None:
        raise raised[-1]

    for way in ("run_once(0)", "run()"):
        for kind in (KeyboardInterrupt, SystemExit):
            raised.append(kind)
            bench.register(bench.sock(f"{way}, {kind.__name__}"), interrupt)
            called = f"{way} where a callback raises {kind.__name__}"
            expected = f"{kind.__name__}; on_error() not called"
            why = (
                "Ctrl-C and sys.exit() arrive as exceptions that are no Exception, "
                "wherever the thread is. A loop that catches them as well cannot be "
                "ended, or ends and does not say that it was interrupted."
            )
            came_back = f"nothing: {way} returns"
            with within(2, bench.exercise, called=called, expected=expected, why=why):
                try:
                    if way == "run()":
                        bench.reactor.run()
                    else:
                        bench.reactor.run_once(0)
                except (KeyboardInterrupt, SystemExit) as error:
                    came_back = type(error).__name__
                except WouldWaitError:
                    came_back = f"nothing: {way} goes on"
            check(
                came_back == kind.__name__ and not bench.errors,
                called=called,
                came_back=f"{came_back}; on_error() called {len(bench.errors)} times",
                expected=expected,
                why=why,
            )


def test_run(bench: Bench) -> None:
    """run() goes on until stop(), and sleeps while nothing happens."""
    a, b = bench.sock("a", ready=False), bench.sock("b", ready=False)

    def read(sock: socket.socket) -> None:
        sock.recv(100)
        if len(bench.called) >= 3:
            bench.reactor.stop()

    bench.register(a, lambda: read(a))
    bench.register(b, lambda: read(b))
    bench.selector.arriving = [
        lambda: bench.send("a"),
        lambda: bench.send("a"),
        lambda: [bench.send(name) for name in "ab"],
    ]
    called = (
        "run() where something arrives three times, the third time for a and for b, "
        "and their callbacks call stop() then"
    )
    expected = "it returns, called back: a, a, a, b"
    why = (
        "A server that does not end when it is told has to be killed, in the middle of "
        "its answers."
    )
    with within(2, bench.exercise, called=called, expected=expected, why=why):
        try:
            bench.reactor.run()
            came_back = f"it returns, {bench.who()}"
        except WouldWaitError:
            came_back = f"it waits once more and never returns, {bench.who()}"
    if bench.called == ["a"] * 3:
        why = (
            "stop() ended the round in its middle: b had been found ready, and is "
            "never called back. stop() ends the loop after the round, not the round."
        )
    check(
        came_back == expected,
        called=called,
        came_back=came_back,
        expected=expected,
        why=why,
    )
    timeouts = bench.selector.timeouts
    if any(timeouts):
        why = (
            "A limit is there to look whether something else has to be done. Here "
            "nothing else can happen, for stop() is called by a callback. The loop "
            "wakes up for nothing, for ever."
        )
    else:
        why = (
            "Between two requests there is nothing to do. A loop that looks whether "
            "something has come, in place of waiting for it, burns a processor."
        )
    check(
        timeouts == [None] * 3,
        called=called,
        came_back=f"{len(timeouts)} calls of select(), "
        f"{bench.selector.in_vain} of them with a timeout and in vain",
        expected="3 calls of select(), none with a timeout",
        why=why,
    )


def test_cost(bench: Bench) -> None:
    """A round costs what is ready, not what is registered."""
    lines, bytes_used = {}, {}
    registered = 1
    a = bench.sock("a")
    bench.register(a)
    idle = bench.sock("idle", ready=False)
    few, many = 10, 160
    for wanted in (few, many):
        while registered < wanted:
            sock = idle.dup()
            bench.names[sock] = f"idle {registered}"
            bench.register(sock)
            registered += 1
        # Last, so that whoever looks for it walks over all the others.
        bench.reactor.unregister(a)
        bench.register(a)

        def one_round(wanted: int = wanted) -> None:
            bench.check_round(
                called=f"run_once(0) where one of {wanted} sockets is readable",
                expected="called back: a",
                why="The others have nothing to read.",
            )

        with counted() as count:
            one_round()
        lines[wanted] = count[0]
        with used(bench.selector) as most:
            one_round()
        bytes_used[wanted] = most[0]
    called = f"run_once(0) where one socket of {few} is readable, and one of {many}"
    check(
        lines[many] < lines[few] + (many - few) / 2,
        called=called,
        came_back=f"{lines[few]} lines of Python are run for {few}, and "
        f"{lines[many]} for {many}",
        expected=f"as many for {many} as for {few}",
        why="The selector says who is ready. A walk over all who are registered, to "
        "find them again, costs every round what select() cost: with ten thousand "
        "silent clients, the loop does little else.",
    )
    check(
        # A list of all has 8 bytes for each.
        bytes_used[many] < bytes_used[few] + 5 * (many - few),
        called=called,
        came_back=f"{bytes_used[many] - bytes_used[few]} bytes more are used for "
        f"{many} than for {few}",
        expected=f"as many for {many} as for {few}",
        why="Somewhere all who are registered are copied, in each round. A copy is one "
        "line, and goes over all of them: with ten thousand silent clients, the loop "
        "does little else.",
    )


@contextlib.contextmanager
def used(selector: Selector) -> Iterator[list[int]]:
    """How many bytes the round took at most, more than were in use before it."""
    most = [0]
    selector.peaks.clear()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield most
        selector.peaks.append(tracemalloc.get_traced_memory()[1])
        most[0] = max(selector.peaks) - before
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """How many lines of Python are run, the answer's and those that it calls."""
    count = [0]

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        count[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)
