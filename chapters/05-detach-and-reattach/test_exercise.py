"""Checks chapters/05-detach-and-reattach/exercise.py.

The starter is told: It is readable until a worker has read
"""

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workshop import Answer, WrongAnswer, check, within

#: Nothing here is right that calls submit() or respond() so often.
TOO_OFTEN = 3


class TooOftenError(BaseException):
    """It is tried again and again. No Exception, so that it ends that."""


class Connection(socket.socket):
    """A connected socket, which notes whether it is closed while the lock is held."""

    #: All that were made in this check, and their other ends.
    made: list[socket.socket] = []  # noqa: RUF012 - it is meant to be of the class

    def __init__(self, name: str = "the connection") -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.name = name
        self.server: Server | None = None
        self.made += [self, theirs]

    def __repr__(self) -> str:
        return self.name

    @property
    def closed(self) -> bool:
        return self.fileno() == -1

    def close(self) -> None:
        if self.server and self.server.lock.locked() and not self.closed:
            self.server.with_lock.append("close()")
        super().close()


@pytest.fixture(autouse=True)
def sockets_are_closed() -> Iterator[None]:
    yield
    while Connection.made:
        socket.socket.close(Connection.made.pop())


class Lock:
    """Stands for a lock. Where a real one would wait for ever, it notes that."""

    def __init__(self) -> None:
        self.holders: list[str] = []
        self.deadlock = ""
        #: Called, once each, before the lock is given for that time.
        self.before: dict[int, Callable[[], None]] = {}
        self.times = 0
        #: Called when it is free the next time.
        self.when_free: list[Callable[[], None]] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.times += 1
        self.before.pop(self.times, lambda: None)()
        me = threading.current_thread().name
        if self.holders:
            if not blocking or timeout >= 0:
                return False
            holder = "itself" if self.holders[-1] == me else self.holders[-1]
            self.deadlock = f"{me} waits for the lock, which is held by {holder}"
        self.holders.append(me)
        return True

    def release(self) -> None:
        if not self.holders:
            raise RuntimeError("release unlocked lock")
        self.holders.pop()
        while not self.holders and self.when_free:
            self.when_free.pop()()

    def locked(self) -> bool:
        return bool(self.holders)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()


class Watched(set[Connection]):
    """The loop's set. It notes who uses it without the lock, and what was put in."""

    def __init__(self, lock: Lock, *connections: Connection) -> None:
        super().__init__(connections)
        self.lock = lock
        self.unguarded: list[str] = []
        self.added: list[Connection] = []

    def has(self, connection: Connection) -> bool:
        """For the checks, which hold no lock."""
        return set.__contains__(self, connection)


def _noted(name: str) -> Callable[..., Any]:
    original = getattr(set, name)

    def noted(self: Watched, *arguments: Any) -> Any:
        if not self.lock.locked():
            self.unguarded.append(WORDS.get(name, f"{name}()"))
        before = set(set.__iter__(self))
        try:
            return original(self, *arguments)
        finally:
            self.added += set(set.__iter__(self)) - before

    return noted


WORDS = {"__contains__": "in", "__iter__": "a loop over it", "__len__": "len()"}
for _name in (
    *("__contains__", "__iter__", "__len__", "add", "clear", "copy", "discard"),
    *("difference", "difference_update", "pop", "remove", "union", "update"),
    *("__and__", "__iand__", "__ior__", "__isub__", "__ixor__", "__or__", "__sub__"),
    *("__ge__", "__le__", "intersection", "isdisjoint", "issubset", "issuperset"),
):
    setattr(Watched, _name, _noted(_name))


def keep(_: Connection) -> bool:
    return True


def drop(_: Connection) -> bool:
    return False


class Server:
    """All that is around a HandOver: the loop, the workers, the set and its lock."""

    def __init__(
        self,
        exercise: Answer,
        *watched: Connection,
        submit: Callable[[Connection], None] = lambda _: None,
        respond: Callable[[Connection], bool] = keep,
    ) -> None:
        self.exercise = exercise
        self.lock = Lock()
        self.watched = Watched(self.lock, *watched)
        self.submitted: list[Connection] = []
        self.responded: list[Connection] = []
        #: What was called while the lock was held, and should not have been.
        self.with_lock: list[str] = []
        #: What the loop finds in the set each time it is woken.
        self.found: list[set[Connection]] = []
        self._submit, self._respond = submit, respond
        self.hand_over = exercise.HandOver(
            self.watched, self.lock, self.submit, self.respond, self.wake
        )

    def submit(self, connection: Connection) -> None:
        self.submitted.append(connection)
        if len(self.submitted) >= TOO_OFTEN:
            raise TooOftenError
        if self.lock.locked():
            self.with_lock.append("submit()")
        self._submit(connection)

    def respond(self, connection: Connection) -> bool:
        self.responded.append(connection)
        if len(self.responded) >= TOO_OFTEN:
            raise TooOftenError
        if self.lock.locked():
            self.with_lock.append("respond()")
        return self._respond(connection)

    def wake(self) -> None:
        """The loop is quick: it looks at once, or as soon as it gets the lock."""

        def look() -> None:
            self.found.append(set(set.__iter__(self.watched)))

        if self.lock.locked():
            self.with_lock.append("wake()")
            self.lock.when_free.append(look)
        else:
            look()

    def on_readable(self, connection: Connection, where: str, hangs: str = "") -> None:
        connection.server = self
        with self.calling(f"on_readable(connection) where {where}", hangs):
            self.hand_over.on_readable(connection)

    def serve(self, connection: Connection, where: str, hangs: str = "") -> None:
        connection.server = self
        with self.calling(f"serve(connection) where {where}", hangs):
            self.hand_over.serve(connection)

    @contextmanager
    def calling(self, called: str, hangs: str) -> Iterator[None]:
        """hangs: why it may do so here, if not for the lock."""
        returns = "it returns, and the lock is free"
        why = "The loop needs the lock in each of its rounds. Then nobody is served."
        hangs = hangs or why
        with within(2, self.exercise, called=called, expected=returns, why=hangs):
            try:
                yield
            except TooOftenError:
                pass
        check(
            not self.lock.deadlock,
            called=called,
            came_back=f"nothing: {self.lock.deadlock}",
            expected=returns,
            why="A lock can be taken once. Who waits for it while the holder waits for "
            "something else, which only the waiting one can do, waits for ever.",
        )
        check(
            not self.lock.locked(),
            called=called,
            came_back="it returns, and keeps the lock",
            expected=returns,
            why=why,
        )


# -- the way there and back ---------------------------------------------------


def test_out_of_the_set(exercise: Answer) -> None:
    """A connection that is given to a worker is not watched."""
    connection, other = Connection(), Connection("another connection")
    server = Server(exercise, connection, other)
    where = "it is watched, and all workers are busy"
    server.on_readable(connection, where)
    check(
        server.submitted == [connection],
        called=f"on_readable(connection) where {where}",
        came_back=f"submit() was called for {server.submitted}",
        expected="submit() is called for it, once",
        why="The client has sent something. Somebody has to read it.",
    )
    check(
        not server.watched.has(connection),
        called=f"on_readable(connection) where {where}",
        came_back="the connection is in the set still",
        expected="it is not in the set",
        why="It is readable until a worker has read. Until then select() returns at "
        "once, again and again, and each time another worker gets the same connection: "
        "two read from it, and the client gets one answer twice, or none.",
    )
    check(
        server.watched.has(other),
        called=f"on_readable(connection) where {where}",
        came_back="another connection is gone from the set",
        expected="the others stay in the set",
        why="Who is in no set, and with no worker, is never answered.",
    )


def test_back_in_the_set(exercise: Answer) -> None:
    """A connection that the client keeps is watched again."""
    connection = Connection()
    server = Server(exercise)
    where = "respond() returns True"
    server.serve(connection, where)
    check(
        server.responded == [connection],
        called=f"serve(connection) where {where}",
        came_back=f"respond() was called for {server.responded}",
        expected="respond() is called for it, once",
        why="One readiness is one request. Who responds twice waits for a request that "
        "nobody has sent.",
    )
    own = [
        value
        for value in vars(server.hand_over).values()
        if isinstance(value, set) and value is not server.watched
    ]
    check(
        server.watched.has(connection) or not any(connection in new for new in own),
        called=f"serve(connection) where {where}",
        came_back="the connection is in a new set, and not in `watched`",
        expected="it is in `watched`, the set that was given",
        why="The loop and the other threads have the set that was made first. "
        "`a = a | {b}` makes another one; add() changes the one that all have.",
    )
    check(
        server.watched.has(connection) and not connection.closed,
        called=f"serve(connection) where {where}",
        came_back="the connection is closed"
        if connection.closed
        else "the connection is not in the set",
        expected="it is in the set, and open",
        why="The client will send its next request on it, and nobody would see that.",
    )


def test_after_the_response(exercise: Answer) -> None:
    """It is not watched before the response has been sent."""
    watched_early = False

    def respond(connection: Connection) -> bool:
        nonlocal watched_early
        watched_early = server.watched.has(connection)
        return True

    server = Server(exercise, respond=respond)
    server.serve(Connection(), "respond() returns True")
    check(
        not watched_early,
        called="serve(connection), and a look at the set when respond() begins",
        came_back="the connection is in the set already",
        expected="it is put there after respond() has returned",
        why="The request has not been read yet, so the connection is readable, and the "
        "loop gives it to a second worker while the first one responds. Two answers "
        "get mixed up on one connection.",
    )


def test_the_loop_is_woken(exercise: Answer) -> None:
    """The loop is woken when the connection is in the set."""
    connection = Connection()
    server = Server(exercise)
    where = "respond() returns True"
    server.serve(connection, where)
    check(
        any(connection in found for found in server.found),
        called=f"serve(connection) where {where}",
        came_back="wake() was called when the connection was not in the set yet"
        if server.found
        else "wake() was not called",
        expected="wake() is called, and the loop finds the connection in the set",
        why="The loop may be quick: it wakes, finds nothing new, and sleeps again. "
        "Then the connection comes, and select() does not know of it."
        if server.found
        else "The loop sleeps in a select() that was given the set as it was before. "
        "The client's next request waits until somebody else wakes the loop.",
    )


def test_every_request(exercise: Answer) -> None:
    """The next request on the same connection is served like the first."""
    connection = Connection()
    server = Server(exercise, connection)
    for time in ("first", "second", "third"):
        server.submitted.clear()
        server.on_readable(connection, f"it is watched, for its {time} request")
        check(
            server.submitted == [connection],
            called=f"on_readable(connection) for the {time} request on it",
            came_back=f"submit() was called for {server.submitted}",
            expected="submit() is called for it, once",
            why="What is remembered of the first request must not keep the next from "
            "being served. Being in the set is all that has to be known.",
        )
        server.serve(connection, "respond() returns True")


def test_not_kept(exercise: Answer) -> None:
    """A connection that the client does not keep is closed, and not watched."""
    connection = Connection()
    server = Server(exercise, respond=drop)
    where = "respond() returns False"
    server.serve(connection, where)
    check(
        connection not in server.watched.added,
        called=f"serve(connection) where {where}",
        came_back="the connection was put into the set",
        expected="it is closed, and at no time in the set",
        why="A closed connection in the set is EBADF in the loop's next select(), or "
        "worse: its number is a stranger's by then.",
    )
    check(
        connection.closed,
        called=f"serve(connection) where {where}",
        came_back="the connection is open still",
        expected="it is closed",
        why="Nobody has it any more. The client waits for the end of the connection, "
        "and the descriptor is never free again.",
    )


# -- two threads --------------------------------------------------------------


def test_lock_is_short(exercise: Answer) -> None:
    """The lock is held for the set alone."""

    def refuse(_: Connection) -> None:
        raise queue.Full

    def fail(_: Connection) -> bool:
        raise ConnectionResetError

    check_lock_is_free(exercise, "respond() returns True")
    check_lock_is_free(exercise, "respond() returns False", respond=drop)
    check_lock_is_free(exercise, "submit() raises queue.Full", submit=refuse)
    check_lock_is_free(exercise, "respond() raises ConnectionResetError", respond=fail)


#: Why the lock must not be held while that runs.
WITH_LOCK = {
    "submit()": "submit() may wait until a worker is done, and that worker waits for "
    "the lock: a deadlock.",
    "respond()": "Who responds with the lock in hand lets all others wait for this "
    "client.",
    "wake()": "The loop is awake at once, wants the lock, and has to sleep again until "
    "it is free. First let go of the lock, then wake.",
    "close()": "The connection is in no set any more, so nobody can come to it. "
    "close() is a system call, for which all others wait: the lock is not needed for "
    "it.",
}


def check_lock_is_free(exercise: Answer, where: str, **given: Any) -> None:
    """Whatever may take long runs without the lock."""
    connection = Connection()
    server = Server(exercise, connection, **given)
    for call in (server.on_readable, server.serve):
        try:
            call(connection, where)
        except WrongAnswer:
            raise
        except Exception:
            break
    check(
        not server.with_lock,
        called=f"on_readable(connection), then serve(connection) where {where}",
        came_back=f"the lock was held while {' and '.join(server.with_lock)} ran",
        expected="it is held for the set alone",
        why=" ".join(WITH_LOCK[name] for name in dict.fromkeys(server.with_lock)),
    )


def test_quick_worker(exercise: Answer) -> None:
    """A worker may be done before submit() returns."""
    connection = Connection()

    def submit(connection: Connection) -> None:
        worker = threading.Thread(
            target=server.hand_over.serve,
            args=[connection],
            name="the worker",
            daemon=True,
        )
        worker.start()
        worker.join()

    server = Server(exercise, connection, submit=submit)
    where = "the worker is done before submit() returns"
    server.on_readable(connection, where)
    check(
        server.watched.has(connection),
        called=f"on_readable(connection) where {where}",
        came_back="the connection is not in the set, and no worker has it",
        expected="it is in the set again",
        why="The worker had put it back into the set, and then it was taken out: first "
        "out of the set, then to the worker. A client that is lost like this waits for "
        "ever, and it happens once in a thousand requests.",
    )


def test_lock_around_the_set(exercise: Answer) -> None:
    """The set is used with the lock in hand."""
    for respond in (keep, drop):
        connection = Connection()
        server = Server(exercise, connection, respond=respond)
        server.on_readable(connection, "it is watched")
        server.serve(connection, f"respond() returns {respond(connection)}")
        check(
            not server.watched.unguarded,
            called="on_readable(connection), then serve(connection)",
            came_back=f"used without the lock: {', '.join(server.watched.unguarded)}",
            expected="the lock is held whenever the set is used",
            why="The loop copies the set. If it changes meanwhile, Python raises “Set "
            "changed size during iteration”, and the server ends. A look at the set "
            "without the lock says nothing: another thread may take the connection "
            "out before the next line.",
        )


def test_left_already(exercise: Answer) -> None:
    """A connection that is not in the set any more is left alone."""
    connection = Connection()
    server = Server(exercise)
    where = "another thread has taken it out of the set since select() returned"
    try:
        server.on_readable(connection, where)
        error = None
    except KeyError as missing:
        error = missing
    check_left_alone(server, connection, where, error)


def test_left_meanwhile(exercise: Answer) -> None:
    """A connection may leave the set at any moment when the lock is free."""
    for time in (1, 2):
        connection = Connection()
        server = Server(exercise, connection)
        taken = False

        def take(server: Server = server, connection: Connection = connection) -> None:
            nonlocal taken
            taken = server.watched.has(connection)
            set.discard(server.watched, connection)

        server.lock.before[time] = take
        nth = {1: "first", 2: "second"}[time]
        where = (
            "another thread takes it out of the set immediately before on_readable() "
            f"gets the lock for the {nth} time"
        )
        try:
            server.on_readable(connection, where)
            error = None
        except KeyError as missing:
            error = missing
        if taken:
            check_left_alone(server, connection, where, error)


def check_left_alone(
    server: Server, connection: Connection, where: str, error: KeyError | None
) -> None:
    done = [
        *(["submit() was called"] if server.submitted else []),
        *(["the connection was closed"] if connection.closed else []),
        *([f"KeyError: {error}"] if error else []),
    ]
    check(
        not done,
        called=f"on_readable(connection) where {where}",
        came_back=", ".join(done),
        expected="nothing is done",
        why="Who takes a connection out of the set owns it. Here that is the other "
        "thread, which closes it; a worker would be given a closed socket, or the one "
        "that has got its number. To look and to take are one step only if both "
        "are done with the lock in hand.",
    )


# -- what goes wrong ----------------------------------------------------------


#: What is said if `except Exception` was not enough.
NO_EXCEPTION = (
    "is no Exception, so `except Exception` lets it by, and the connection with it. "
)

#: What is said if another exception than that one goes on.
ANOTHER = (
    "This is another exception than the one that was raised. Who called tells by the "
    "exception what has happened: `raise` alone lets the same one go on."
)


def test_no_room(exercise: Answer) -> None:
    """When submit() raises, the connection is closed and the loop is told."""
    again = (
        "submit() has waited for room for as long as it is meant to. While the loop "
        "tries it again, it watches nobody, and nobody is served."
    )
    for raised in (
        queue.Full(),
        RuntimeError("the workers have ended"),
        KeyboardInterrupt(),
    ):
        connection = Connection()

        def submit(_: Connection, raised: BaseException = raised) -> None:
            raise raised

        server = Server(exercise, connection, submit=submit)
        where = f"submit() raises {raised!r}"
        came_back: object = "it returns"
        try:
            server.on_readable(connection, where, again)
        except WrongAnswer:
            raise
        except (Exception, KeyboardInterrupt) as error:
            came_back = error
        check(
            len(server.submitted) == 1,
            called=f"on_readable(connection) where {where}",
            came_back=f"submit() was called {len(server.submitted)} times",
            expected="submit() is called once",
            why=again,
        )
        check(
            not server.watched.has(connection),
            called=f"on_readable(connection) where {where}",
            came_back="the connection is in the set again",
            expected="it is closed, and not in the set",
            why="Nobody has read from it: it is readable still. select() returns at "
            "once, again and again, and the loop spins for as long as the workers are "
            "busy, and takes the processor from them.",
        )
        ctrl_c = f"Ctrl-C in the loop's thread {NO_EXCEPTION}"
        check(
            connection.closed,
            called=f"on_readable(connection) where {where}",
            came_back="the connection is open, in no set, and with no worker",
            expected="it is closed",
            why=("" if isinstance(raised, Exception) else ctrl_c)
            + "Nobody will ever touch it again. The client waits for ever, and a "
            "descriptor is lost with each one, just when there is most to do.",
        )
        check(
            came_back is raised,
            called=f"on_readable(connection) where {where}",
            came_back=came_back,
            expected=raised,
            why="The loop counts the clients that it has turned away. An exception "
            "swallowed here looks like a client who was served."
            if came_back == "it returns"
            else ANOTHER,
        )


def test_gone(exercise: Answer) -> None:
    """When respond() raises, the connection is closed and the worker is told."""
    again = "Half a response may have been sent. A second one would begin within it."
    for raised in (
        ConnectionResetError("the client is gone"),
        ZeroDivisionError("a fault in the application"),
        SystemExit("the application called sys.exit()"),
    ):

        def respond(_: Connection, raised: BaseException = raised) -> bool:
            raise raised

        connection = Connection()
        server = Server(exercise, respond=respond)
        where = f"respond() raises {raised!r}"
        came_back: object = "it returns"
        try:
            server.serve(connection, where, again)
        except WrongAnswer:
            raise
        except (Exception, SystemExit) as error:
            came_back = error
        check(
            len(server.responded) == 1,
            called=f"serve(connection) where {where}",
            came_back=f"respond() was called {len(server.responded)} times",
            expected="respond() is called once",
            why=again,
        )
        check(
            connection not in server.watched.added,
            called=f"serve(connection) where {where}",
            came_back="the connection was put into the set",
            expected="it is closed, and at no time in the set",
            why="Its client is gone, or has half a response. Nothing good can come on "
            "it, and closed it would be EBADF in the loop's next select().",
        )
        sys_exit = f"SystemExit {NO_EXCEPTION}"
        check(
            connection.closed,
            called=f"serve(connection) where {where}",
            came_back="the connection is open, in no set, and with no worker",
            expected="it is closed",
            why=("" if isinstance(raised, Exception) else sys_exit)
            + "Nobody will ever touch it again, and each client that goes away costs "
            "the server a descriptor.",
        )
        check(
            came_back is raised,
            called=f"serve(connection) where {where}",
            came_back=came_back,
            expected=raised,
            why="The worker logs it. An exception swallowed here hides the faults of "
            "the application as well."
            if came_back == "it returns"
            else ANOTHER,
        )
