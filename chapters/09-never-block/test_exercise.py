"""Checks chapters/09-never-block/exercise.py.

The starter is told: there is nearly always room
"""

import contextlib
import itertools
import random
import selectors
import socket
from collections.abc import Callable, Iterator
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import pytest

from workshop import Answer, check, within

#: Bytes; small, and not the default, so that the connection's own mark is asked for.
MARK = 1000
BOTH = EVENT_READ | EVENT_WRITE
ROOM = (
    "A socket can be written to if there is room in the kernel's buffer, and there is "
    "nearly always room. With nothing to send, select() returns at once, every time: "
    "the loop spins."
)


def in_words(events: object) -> str:
    names = {0: "0", EVENT_READ: "EVENT_READ", EVENT_WRITE: "EVENT_WRITE"}
    names[BOTH] = "EVENT_READ | EVENT_WRITE"
    return names.get(events, repr(events)) if isinstance(events, int) else repr(events)


# -- interest() ---------------------------------------------------------------


class Untouched:
    """In the place of a socket that is not to be asked for anything.

    It answers all the same: what is wrong is said by the check, not by an error here.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name.startswith("__"):
            raise AttributeError(name)
        self.asked.append(name)
        return lambda *_, **__: 1 if name == "fileno" else b"x"


def all_states(exercise: Answer) -> Iterator[Any]:
    """A connection in each state there can be, with what is next to each border."""
    for state, unsent, mark, answering, ended in itertools.product(
        exercise.State,
        (0, 1, MARK - 1, MARK, MARK + 1, 100 * MARK),
        (MARK, 0),
        (False, True),
        (False, True),
    ):
        yield exercise.Connection(Untouched(), state, unsent, mark, answering, ended)


def the_rules(connection: Any) -> int:
    """What the docstring of interest() says."""
    state = connection.state.name
    if state == "BROKEN":
        return 0
    reads = state == "LINGERING" or (
        state == "OPEN"
        and not connection.answering
        and connection.unsent <= connection.mark
    )
    return EVENT_WRITE * bool(connection.unsent) | EVENT_READ * (
        reads and not connection.ended
    )


def situation(connection: Any) -> str:
    return (
        f"interest(connection) where state={connection.state.name}, "
        f"unsent={connection.unsent} with mark={connection.mark}, "
        f"answering={connection.answering}, ended={connection.ended}"
    )


def check_rule(
    exercise: Answer,
    which: Callable[[Any], bool],
    why: Callable[[Any, int], str],
    bits: int = BOTH,
) -> None:
    """In all those states, as far as these bits are concerned.

    why: is given the connection, and which bits are wrong.
    """
    for connection in filter(which, all_states(exercise)):
        called = situation(connection)
        came_back = exercise.interest(connection)
        expected = the_rules(connection)
        is_mask = isinstance(came_back, int)
        wrong = (came_back ^ expected) & bits if is_mask else bits
        check(
            not wrong,
            called=called,
            came_back=in_words(came_back),
            expected=in_words(expected),
            why=why(connection, wrong),
        )


def test_quiet(exercise: Answer) -> None:
    """While nothing happens: EVENT_READ, and nothing else."""

    def why(_connection: Any, wrong: int) -> str:
        if wrong & EVENT_READ:
            return "The client's next request would never be seen."
        return ROOM

    check_rule(
        exercise,
        lambda c: c.state.name == "OPEN" and not (c.unsent or c.answering or c.ended),
        why,
    )


def test_output(exercise: Answer) -> None:
    """Rule 2: EVENT_WRITE if something is unsent, and only then."""

    def why(connection: Any, _wrong: int) -> str:
        if not connection.unsent:
            return ROOM
        if connection.ended:
            return (
                "A client that sends no more may still read: it has ended one "
                "direction. Its answers have to be sent all the same."
            )
        return (
            "Nobody else says when there is room again. Unless it is watched for, the "
            "rest of the answer stays where it is, and the client waits."
        )

    check_rule(exercise, lambda c: c.state.name != "BROKEN", why, EVENT_WRITE)


def test_ended(exercise: Answer) -> None:
    """Rule 3: no EVENT_READ when the client has ended its input."""
    check_rule(
        exercise,
        lambda c: c.ended and c.state.name != "BROKEN",
        lambda _connection, _wrong: (
            "A socket at its end is readable for ever: recv() gives b'' at once, again "
            "and again. Watched for reading, it makes the loop spin until the last "
            "answer has gone."
        ),
        EVENT_READ,
    )


def test_mark(exercise: Answer) -> None:
    """Rule 5: requests are read up to the mark, and not above."""

    def why(connection: Any, _wrong: int) -> str:
        if connection.unsent > connection.mark:
            return (
                "Backpressure: a client that does not read its answers must not be "
                "read either. Each request that is read adds an answer to the buffer, "
                "and nothing but the server's memory bounds it. The bound is this "
                "connection's mark."
            )
        if connection.unsent == connection.mark:
            return "The mark itself is allowed. Above means more than that."
        return (
            "Below the mark there is room for another answer. A client that is read "
            "only when everything is sent waits for a round trip with each request."
        )

    check_rule(
        exercise,
        lambda c: c.state.name == "OPEN" and not (c.answering or c.ended),
        why,
        EVENT_READ,
    )
    for unsent, expected in ((65_536, BOTH), (65_537, EVENT_WRITE)):
        came_back = exercise.interest(exercise.Connection(Untouched(), unsent=unsent))
        check(
            came_back == expected,
            called=f"interest(Connection(sock, unsent={unsent}))",
            came_back=in_words(came_back),
            expected=in_words(expected),
            why="The mark of a connection that was given none is 65536 bytes.",
        )


def test_answering(exercise: Answer) -> None:
    """Rule 4: no further request is read while one is being answered."""
    check_rule(
        exercise,
        lambda c: c.state.name == "OPEN" and c.answering,
        lambda _connection, _wrong: (
            "What the client sends meanwhile cannot be dealt with. If it is not read, "
            "the socket stays readable and the loop spins until the answer is there; "
            "if it is, requests pile up in memory."
        ),
        EVENT_READ,
    )


def test_last(exercise: Answer) -> None:
    """Rule 3: in LAST nothing is read."""
    check_rule(
        exercise,
        lambda c: c.state.name == "LAST",
        lambda _connection, _wrong: (
            "No further request is answered here. What a client sends after its last "
            "one stays in the kernel until the answer has gone."
        ),
        EVENT_READ,
    )


def test_lingering(exercise: Answer) -> None:
    """Rule 3: in LINGERING all is read, until the client ends."""
    check_rule(
        exercise,
        lambda c: c.state.name == "LINGERING",
        lambda _connection, _wrong: (
            "What comes now is thrown away, so it needs no room and no answer. It has "
            "to be read: a socket closed while input is unread sends a reset, and that "
            "may destroy the answer on its way."
        ),
        EVENT_READ,
    )


def test_broken(exercise: Answer) -> None:
    """Rule 1: a connection that has failed is watched for nothing."""
    check_rule(
        exercise,
        lambda c: c.state.name == "BROKEN",
        lambda _connection, _wrong: (
            "A socket that has failed is readable and writable at once, and each call "
            "fails again: the loop spins. What is unsent can never be sent."
        ),
    )


def test_changes_nothing(exercise: Answer) -> None:
    """The same values give the same result, and nothing is changed by asking."""
    one = exercise.Connection(Untouched())
    states = [*all_states(exercise)] * 2
    random.Random(9).shuffle(states)
    changed = asked = ""
    for connection in states:
        for name in ("state", "unsent", "mark", "answering", "ended"):
            setattr(one, name, getattr(connection, name))
        called = situation(one)
        expected = the_rules(one)
        before = vars(one).copy()
        came_back = exercise.interest(one)
        check(
            came_back == expected,
            called=f"{called}; this connection was in other states before",
            came_back=in_words(came_back),
            expected=in_words(expected),
            why="Only what is the case now counts. A connection that was above its "
            "mark once is read again when its output has drained.",
        )
        for name, value in vars(one).items():
            if not changed and (name not in before or before[name] != value):
                asked, changed = called, f"{name} is {value!r} now"
    asked_for = set(one.sock.asked)
    check(
        not changed and not asked_for,
        called=asked or "interest(connection)",
        came_back=changed or f"the socket was asked: {sorted(asked_for)}",
        expected="the connection is as it was, and its socket is not asked",
        why="Interest is looked up at any time, by anybody. If looking changes the "
        "connection, it depends on who has looked, and when.",
    )


# -- update() -----------------------------------------------------------------


class Selector(selectors.SelectSelector):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any, int, object]] = []
        self.quiet = False

    def register(
        self, fileobj: Any, events: int, data: object = None
    ) -> selectors.SelectorKey:
        if not self.quiet:
            self.told.append(("register", fileobj, events, data))
        return super().register(fileobj, events, data)

    def modify(
        self, fileobj: Any, events: int, data: object = None
    ) -> selectors.SelectorKey:
        self.told.append(("modify", fileobj, events, data))
        # It registers anew; that is its own affair.
        self.quiet = True
        try:
            return super().modify(fileobj, events, data)
        finally:
            self.quiet = False

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        if not self.quiet:
            self.told.append(("unregister", fileobj, 0, None))
        return super().unregister(fileobj)


class Bench:
    """A selector that watches a listener already, and connections."""

    def __init__(self, exercise: Answer) -> None:
        self.exercise = exercise
        self.selector = Selector()
        self.sockets: list[socket.socket] = []
        self.selector.register(self.pair()[0], EVENT_READ)
        self.selector.told.clear()

    def pair(self) -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        for sock in pair:
            sock.setblocking(False)
        self.sockets += pair
        return pair

    def connection(self, **values: Any) -> Any:
        return self.exercise.Connection(self.pair()[0], mark=MARK, **values)

    def update(self, connection: Any, **values: Any) -> str:
        """Change that, call update(), and give in words what the selector was told."""
        for name, value in values.items():
            setattr(connection, name, value)
        self.selector.told.clear()
        error = ""
        try:
            self.exercise.update(self.selector, connection)
        except (KeyError, ValueError) as raised:
            error = f"; it raises {raised!r}"
        calls = []
        for name, sock, events, data in self.selector.told:
            whose = "sock" if sock is connection.sock else "another socket"
            arguments = whose
            if name != "unregister":
                what = "connection" if data is connection else repr(data)
                arguments += f", {in_words(events)}, {what}"
            calls.append(f"{name}({arguments})")
        return (", ".join(calls) or "no call") + error

    def check_update(
        self, connection: Any, expected: str, why: str, where: str, **values: Any
    ) -> None:
        told = self.update(connection, **values)
        check(
            told == expected,
            called=f"update(selector, connection) where {where}",
            came_back=f"at the selector: {told}",
            expected=f"at the selector: {expected}",
            why=why,
        )

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.selector.close()


@pytest.fixture
def bench(exercise: Answer) -> Iterator[Bench]:
    with contextlib.closing(Bench(exercise)) as bench:
        yield bench


def test_registered(bench: Bench) -> None:
    """A new connection is registered, for what it is interested in."""
    for expected, values in (("EVENT_READ", {}), ("EVENT_WRITE", {"unsent": MARK + 1})):
        bench.check_update(
            bench.connection(**values),
            f"register(sock, {expected}, connection)",
            "The loop finds the connection in what was registered with its socket.",
            f"the connection is new and its interest is {expected}",
        )


def test_told_once(bench: Bench) -> None:
    """As long as the interest stays the same, the selector is told nothing."""
    connection = bench.connection(unsent=1)
    bench.update(connection)
    for unsent in (1, 2, 3, MARK):
        bench.check_update(
            connection,
            "no call",
            "Each of these calls is a system call with epoll or kqueue, and update() "
            "is called after every event. Most of the time nothing has changed.",
            "the interest was EVENT_READ | EVENT_WRITE and still is",
            unsent=unsent,
        )


#: For each interest, values that have it.
VALUES: dict[int, dict[str, object]] = {
    0: {"unsent": 0, "answering": True},
    EVENT_READ: {"unsent": 0, "answering": False},
    EVENT_WRITE: {"unsent": 1, "answering": True},
    BOTH: {"unsent": 1, "answering": False},
}


def test_changed(bench: Bench) -> None:
    """Another interest is told with one call of modify(), be it more or less."""
    for before, after in itertools.permutations((EVENT_READ, EVENT_WRITE, BOTH), 2):
        connection = bench.connection()
        bench.update(connection, **VALUES[before])
        told = bench.update(connection, **VALUES[after])
        if told.startswith("unregister"):
            why = "One system call in place of two does it."
        elif told == f"modify(sock, {in_words(after)}, None)":
            why = (
                "modify() replaces what was registered with the socket as well, and "
                "with nothing if it is given nothing. The loop then finds no "
                "connection in the key's data."
            )
        elif told == "no call":
            why = (
                "What is left out here is left out for good: either the loop spins, "
                "for it is told of what it did not ask for, or the client waits for "
                "something that nobody watches for."
            )
        else:
            why = "What is watched for is what interest() says now, and nothing else."
        expected = f"modify(sock, {in_words(after)}, connection)"
        check(
            told == expected,
            called="update(selector, connection) where the interest was "
            f"{in_words(before)} and is {in_words(after)} now",
            came_back=f"at the selector: {told}",
            expected=f"at the selector: {expected}",
            why=why,
        )


def test_nothing(bench: Bench) -> None:
    """Without an interest the socket is not registered."""
    why = (
        "Selectors know no interest of 0. SelectSelector raises ValueError. epoll "
        "accepts it in modify(), and reports a client that hangs up all the same, for "
        "ever."
    )
    for before in (EVENT_READ, EVENT_WRITE, BOTH):
        connection = bench.connection()
        bench.update(connection, **VALUES[before])
        bench.check_update(
            connection,
            "unregister(sock)",
            why,
            f"the interest was {in_words(before)} and is 0 now",
            **VALUES[0],
        )
    for what, nobody in (("was", connection), ("never was", bench.connection())):
        bench.check_update(
            nobody,
            "no call",
            "What is not registered cannot be unregistered: it raises KeyError.",
            "the interest is 0, and the socket " + what + " registered before",
            **VALUES[0],
        )


def test_comes_back(bench: Bench) -> None:
    """A connection whose interest was 0 is registered again when it has one."""
    connection = bench.connection()
    for after in (EVENT_READ, EVENT_WRITE, BOTH):
        bench.update(connection, **VALUES[EVENT_READ])
        bench.update(connection, **VALUES[0])
        bench.check_update(
            connection,
            f"register(sock, {in_words(after)}, connection)",
            "An interest of 0 is no farewell. A request was being answered. Now the "
            "answer is there, and somebody has to watch for room, or the next request.",
            f"the interest was 0 for a while and is {in_words(after)} now",
            **VALUES[after],
        )


def test_another_selector(bench: Bench) -> None:
    """What is watched for is what this selector watches for."""
    connection = bench.connection()
    bench.update(connection)
    why = (
        "A note of one's own, on the connection or beside it, says what some selector "
        "was told, not what this one knows. Ask the one that is given: get_map()."
    )
    other = bench.selector
    with contextlib.closing(other):
        bench.selector = Selector()
        bench.check_update(
            connection,
            "register(sock, EVENT_READ, connection)",
            why,
            "another selector watches for EVENT_READ, and this one knows no socket yet",
        )
        bench.update(connection, **VALUES[BOTH])
        bench.selector, this = other, bench.selector
        with contextlib.closing(this):
            bench.check_update(
                connection,
                "modify(sock, EVENT_READ | EVENT_WRITE, connection)",
                why,
                "the interest was EVENT_READ and is EVENT_READ | EVENT_WRITE now, and "
                "another selector has been told already",
            )


# -- send_some() --------------------------------------------------------------

#: Bytes; more than a kernel takes at once of a socket with a small buffer.
PLENTY = bytes(range(256)) * 4096


class Sending:
    """A connection with much to send, and a client that reads when it is told to."""

    def __init__(self, bench: Bench) -> None:
        self.exercise = bench.exercise
        self.sock, self.client = bench.pair()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.output = bytearray(PLENTY)
        self.connection = self.exercise.Connection(self.sock, unsent=len(self.output))
        self.received = bytearray()

    def send_some(self, situation: str) -> None:
        called = f"send_some(connection, output), {situation}"
        raised: object = None
        with within(
            2,
            self.exercise,
            called=called,
            expected="it returns",
            why="It waits for room, and only this client makes room. All the others "
            "wait with it, however fast they read. The selector is what waits.",
        ):
            try:
                self.exercise.send_some(self.connection, self.output)
            except OSError as error:
                raised = error
        check(
            raised is None,
            called=called,
            came_back=raised,
            expected="nothing is raised",
            why="A kernel without room is not an error: send() on a socket that does "
            "not block says so with BlockingIOError, and there will be room later."
            if isinstance(raised, BlockingIOError)
            else "Clients go away all the time. An exception that leaves here ends the "
            "loop, and all other connections with it.",
        )

    def check_unsent(self, situation: str) -> None:
        left = len(self.output)
        check(
            self.connection.unsent == left,
            called=f"send_some(connection, output), {situation}",
            came_back=f"connection.unsent is {self.connection.unsent}, and output has "
            f"{left} bytes",
            expected="as many",
            why="interest() looks at connection.unsent alone. If that is too much, the "
            "loop watches for room with nothing to send, and spins; if it is too "
            "little, nobody sends the rest.",
        )

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := self.client.recv(65_536):
                self.received += piece

    def check_bytes(self, situation: str) -> None:
        """What has arrived and what is left are together what there was."""
        both = bytes(self.received + self.output)
        if self.connection.state.name == "BROKEN":
            why = (
                "There was no room, or not for all. That is BlockingIOError, an "
                "OSError that says: later. The connection is in good order."
            )
        elif len(both) < len(PLENTY):
            why = (
                "A short write: send() returns how many bytes the kernel has taken, "
                "which may be fewer than it was given. What it has not taken is not on "
                "its way, and is sent when there is room again, or never."
            )
        elif len(both) == len(PLENTY):
            why = (
                "The bytes that the kernel has taken are the first ones. Who removes "
                "others sends those twice and these never."
            )
        else:
            why = (
                "What the kernel has taken is on its way. If it stays in output, which "
                "is the caller's bytearray, it is sent a second time. sendall() on a "
                "socket that does not block takes some, raises, and does not say how "
                "much."
            )
        check(
            both == PLENTY and self.connection.state.name == "OPEN",
            called=f"send_some(connection, output), {situation}",
            came_back=f"{len(self.received)} bytes arrived, {len(self.output)} are in "
            f"output; the state is {self.connection.state.name}",
            expected=f"together the {len(PLENTY)} bytes that there were, in their "
            "order; the state is OPEN",
            why=why,
        )
        self.check_unsent(situation)


def test_short_write(bench: Bench) -> None:
    """What the kernel does not take is kept, and nothing else is."""
    sending = Sending(bench)
    sending.send_some("where the kernel has room for a part of it")
    sending.read()
    sending.check_bytes("where the kernel has room for a part of it")
    check(
        sending.received,
        called="send_some(connection, output), where the kernel has room",
        came_back="nothing arrived",
        expected="as much as there is room for",
        why="Try first: there is nearly always room. Who waits for the selector first "
        "makes each answer wait for another round.",
    )


def test_no_room(bench: Bench) -> None:
    """Where there is no room at all, nothing changes; and then the rest is sent."""
    sending = Sending(bench)
    with contextlib.suppress(BlockingIOError):
        while True:
            sending.sock.send(b"earlier")
    full = "where the kernel has no room"
    for _ in range(2):
        sending.send_some(full)
        sending.check_bytes(full)
    sending.read()
    sending.received.clear()
    later = "called again and again, while the client reads"
    for _ in range(10_000):
        if not sending.output:
            break
        sending.send_some(later)
        sending.read()
    sending.check_bytes(later)
    check(
        not sending.output,
        called=f"send_some(connection, output), {later}",
        came_back=f"{len(sending.output)} bytes are left",
        expected="none",
        why="The rest is never sent, and the client waits for it.",
    )


def test_gone(bench: Bench) -> None:
    """A client that has gone breaks its own connection, and no other."""
    sending = Sending(bench)
    sending.client.close()
    sending.send_some("where the client has closed its socket")
    state = sending.connection.state.name
    check(
        state == "BROKEN",
        called="send_some(connection, output), where the client has closed its socket",
        came_back=f"the state is {state}",
        expected="BROKEN",
        why="Nobody will read this any more. A connection that is not known to have "
        "failed is watched for room, has it, fails again, and so on: the loop spins.",
    )
    # A socket that was never connected: an OSError, and no ConnectionError.
    with socket.socket(socket.AF_UNIX) as sending.connection.sock:
        sending.connection.sock.setblocking(False)
        sending.connection.state = sending.exercise.State.OPEN
        sending.send_some("where the socket is not connected")
    state = sending.connection.state.name
    check(
        state == "BROKEN",
        called="send_some(connection, output), where the socket is not connected",
        came_back=f"the state is {state}",
        expected="BROKEN",
        why="A socket can fail in many ways: the network is gone, or the host. Each of "
        "them is an OSError.",
    )


# -- all, with a kernel -------------------------------------------------------

#: Bytes of an answer; a request is one byte.
ANSWER = 500
REQUESTS = 1000
#: More than there can be if each round does something.
MAX_ROUNDS = 20_000


class Service:
    """A server with one connection: each byte is a request, and answered at once."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.sock, self.client = bench.pair()
        # A small buffer, where the kernel grants it: it is full the sooner.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.connection = bench.exercise.Connection(self.sock, mark=MARK)
        self.output = bytearray()
        self.most_unsent = 0
        self.requests = 0
        self.in_vain = 0
        self.update()

    def update(self) -> None:
        self.connection.unsent = len(self.output)
        self.most_unsent = max(self.most_unsent, len(self.output))
        self.bench.exercise.update(self.bench.selector, self.connection)

    def serve(self) -> None:
        """Do what the selector says that can be done, until it says nothing more."""
        for _ in range(MAX_ROUNDS):
            ready = self.bench.selector.select(0)
            if not ready:
                return
            self.in_vain += not sum(self.react(events) for _, events in ready)

    def react(self, events: int) -> bool:
        """Gives whether something could be done."""
        done = 0
        with contextlib.suppress(BlockingIOError):
            if events & EVENT_WRITE and self.output:
                before = len(self.output)
                self.bench.exercise.send_some(self.connection, self.output)
                done += before - len(self.output)
            if events & EVENT_READ:
                was_ended = self.connection.ended
                received = self.sock.recv(1)
                self.requests += len(received)
                self.output += b"a" * ANSWER * len(received)
                self.connection.ended = not received
                done += not was_ended
        self.update()
        return bool(done)


def test_no_spinning(bench: Bench) -> None:
    """With a real socket: select() is silent while there is nothing to do."""
    service = Service(bench)

    def end() -> None:
        service.client.shutdown(socket.SHUT_WR)

    for what, prepare in (
        ("nothing has come and nothing is unsent", None),
        ("the client has ended its input", end),
    ):
        called = f"update(), then select() where {what}"
        if prepare:
            prepare()
        with within(
            2, bench.exercise, called=called, expected="silence", why="It spins."
        ):
            service.serve()
        check(
            not service.in_vain and not bench.selector.select(0),
            called=called,
            came_back=f"{service.in_vain} rounds in which nothing could be done",
            expected="no such round",
            why="select() names a socket as long as it is ready for what was asked. If "
            "the answer to that is to do nothing, the loop spins.",
        )


def test_slow_reader(bench: Bench) -> None:
    """With a real socket: a client that does not read is not read, until it reads."""
    service = Service(bench)
    service.client.send(b"r" * REQUESTS)
    called = f"{REQUESTS} requests from a client that reads none of its answers"
    why = (
        "Above the mark nothing is read: the requests stay in the kernel, and the "
        "client has to wait with the next ones. Without that, its answers fill the "
        "server's memory."
    )
    expected = f"at most {MARK + ANSWER} bytes unsent at any time, and then silence"
    with within(2, bench.exercise, called=called, expected=expected, why=why):
        service.serve()
    check(
        service.most_unsent <= MARK + ANSWER and not service.in_vain,
        called=called,
        came_back=f"up to {service.most_unsent} bytes unsent, and {service.in_vain} "
        "rounds in which nothing could be done",
        expected=expected,
        why=why,
    )
    called += ", and then reads them all"
    expected = f"{REQUESTS * ANSWER} bytes of answers"
    why = (
        "When the output has drained, the client has to be read again, or the rest of "
        "its requests is never answered."
    )
    received = 0
    with (
        within(2, bench.exercise, called=called, expected=expected, why=why),
        contextlib.suppress(BlockingIOError),
    ):
        while received < REQUESTS * ANSWER:
            received += len(service.client.recv(65_536))
            service.serve()
    check(
        received == REQUESTS * ANSWER,
        called=called,
        came_back=f"{received} bytes, for {service.requests} requests that were read",
        expected=expected,
        why=why,
    )
