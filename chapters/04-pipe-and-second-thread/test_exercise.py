"""Checks chapters/04-pipe-and-second-thread/exercise.py.

The starter is told: drain() has left bytes in the pipe
"""

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from workshop import Answer, check, within
from workshop.answer import place

LOST = (
    "That is a lost wake-up: work has been put in place, and the loop sleeps on. It "
    "may sleep for ever."
)
SPINS = (
    "select() will return at once, again and again, with nothing to do: the loop spins "
    "and takes a whole core."
)
SLEEPS = (
    "drain() waits for a byte, and meanwhile the loop serves nobody. It is the loop's "
    "select() that is meant to sleep, for it watches all the others as well."
)
LOCKED = (
    "The one that is interrupted holds a lock, and the other waits for it. A signal "
    "handler runs on top of the thread that it interrupts, so that lock is never "
    "freed: the program hangs on Ctrl-C."
)
LOCKED_A_WHILE = (
    "It waits for what the one that is interrupted holds, a lock with a timeout "
    "perhaps. A signal handler runs on top of that thread, so nobody frees the lock "
    "meanwhile: the time is lost, each time, and then nothing is guarded."
)
#: Such a call takes some millionths of a second. A busy machine makes one slow now and
#: then, and never each of so many in a row: if all are slow, the call waits.
AT_ONCE_S = 0.005
TRIES = 5
#: Instructions of a method that are interrupted, at most. A method has some fifty.
POINTS = 1000


def readable(pipe: Any) -> bool:
    return bool(select.select([pipe.fileno()], [], [], 0)[0])


def said(pipe: Any) -> str:
    return f"select() says that it is {'' if readable(pipe) else 'not '}readable"


def outcome(call: Callable[[], object]) -> OSError | None:
    """The error of the system, if the call raises one."""
    try:
        call()
    except OSError as error:
        return error
    return None


def open_descriptors() -> set[int]:
    """Those that `select()` could watch."""

    def is_open(number: int) -> bool:
        return outcome(lambda: os.fstat(number)) is None

    return set(filter(is_open, range(1024)))


def test_wake_ends_select(exercise: Answer) -> None:
    """A wake() in another thread ends a select()."""
    pipe = exercise.WakePipe()
    check(
        not readable(pipe),
        called="select() on a new pipe",
        came_back="it is readable",
        expected="it is not readable: nobody has called wake()",
        why=SPINS,
    )
    waker = threading.Thread(target=pipe.wake, name="the waker", daemon=True)
    with within(
        2,
        exercise,
        called="select() on the pipe, and wake() in another thread",
        expected="select() returns",
        why=LOST,
    ):
        waker.start()
        select.select([pipe.fileno()], [], [])
        waker.join()
    pipe.close()


def test_two_pipes(exercise: Answer) -> None:
    """Each pipe wakes its own sleeper."""
    pipe, other = exercise.WakePipe(), exercise.WakePipe()
    pipe.wake()
    check(
        readable(pipe) and not readable(other),
        called="wake() of one of two pipes",
        came_back=f"of the one {said(pipe)}, of the other {said(other)}",
        expected="the one is readable, and the other is not",
        why="What belongs to a pipe is set in __init__, as self.name. What stands in "
        "the class is there once, for all of them.",
    )
    for each in (pipe, other):
        each.close()


def test_drain_and_again(exercise: Answer) -> None:
    """After drain() the descriptor is quiet; after the next wake() it is not."""
    pipe = exercise.WakePipe()
    for wakes in (1, 1, 3, 1):
        for _ in range(wakes):
            pipe.wake()
        check(
            readable(pipe),
            called="wake() after a drain()",
            came_back="select() says that it is not readable",
            expected="it is readable again",
            why="A flag that says “a byte is on its way already” has to be cleared by "
            "drain(), whichever way drain() is left. " + LOST,
        )
        called = f"drain() after {wakes} calls of wake()"
        with within(2, exercise, called=called, expected="it returns", why=SLEEPS):
            error = outcome(pipe.drain)
        check(
            error is None,
            called=called,
            came_back=error,
            expected="it returns",
            why="A pipe that is not blocking raises BlockingIOError when nothing is "
            "left to read. That is the end of the draining, and no error.",
        )
        check(
            not readable(pipe),
            called=called,
            came_back="select() says that it is readable still",
            expected="it is not readable",
            why="Each wake() wrote a byte, and drain() has left bytes in the pipe. "
            + SPINS,
        )
    pipe.close()


def test_drain_of_nothing(exercise: Answer) -> None:
    """drain() returns when there is nothing to drain."""
    pipe = exercise.WakePipe()
    called = "drain() of a pipe that nobody has woken"
    with within(2, exercise, called=called, expected="it returns", why=SLEEPS):
        error = outcome(pipe.drain)
    check(
        error is None,
        called=called,
        came_back=error,
        expected="it returns",
        why="The loop drains before it looks for work, whatever ended its select(). An "
        "empty pipe is not an error; this one ends the loop, and so the server.",
    )
    pipe.close()


def test_wakes_in_droves(exercise: Answer) -> None:
    """A full pipe is no error, and one drain() empties it."""
    pipe = exercise.WakePipe()
    wakes = more_than_a_pipe_holds()
    called = f"wake(), {wakes} times, while nobody drains"

    def wake_again_and_again() -> None:
        for _ in range(wakes):
            pipe.wake()

    with within(
        2,
        exercise,
        called=called,
        expected="each call returns",
        why="The pipe is full, and wake() waits until somebody reads, or in each "
        "call until a timeout is over. A worker hangs because the loop is busy; should "
        "the loop wait for that worker, both stand still.",
    ):
        error = outcome(wake_again_and_again)
    check(
        error is None,
        called=called,
        came_back=error,
        expected="each call returns",
        why="A full pipe is readable, so the sleeper will wake: all is well. Raised in "
        "a worker, this error ends it in the middle of its work.",
    )
    called = f"drain() after {wakes} calls of wake()"
    with within(2, exercise, called=called, expected="it returns", why=SLEEPS):
        error = outcome(pipe.drain)
    check(
        error is None and not readable(pipe),
        called=called,
        came_back=error or said(pipe),
        expected="it returns, and select() says that it is not readable",
        why="One read gives no more bytes than it is asked for, and a pipe can hold "
        "more. What is left ends the next select() for nothing.",
    )
    pipe.wake()
    check(
        readable(pipe),
        called="wake(), after the full pipe was drained",
        came_back=said(pipe),
        expected="it is readable",
        why=LOST,
    )
    pipe.close()


def test_at_once(exercise: Answer) -> None:
    """Neither wake() nor drain() waits, not even for a moment."""
    for name, wakes, where in (
        ("drain", 0, "of a pipe that nobody has woken"),
        ("drain", 1, "after wake()"),
        ("wake", 0, "of a new pipe"),
        ("wake", 1, "after wake()"),
        ("wake", more_than_a_pipe_holds(), "of a pipe that is full"),
    ):
        took: list[float] = []
        while not is_clear(took):
            pipe = exercise.WakePipe()
            for _ in range(wakes):
                pipe.wake()
            timed(getattr(pipe, name), took)
            pipe.close()
        check_at_once(
            f"{name}() {where}",
            took,
            "A short wait is a wait. wake() is called for each job, and drain() in "
            "each round of the loop: a pause in there, or a timeout, is added to every "
            "one of them.",
        )


def timed(call: Callable[[], object], took: list[float]) -> None:
    begun = time.perf_counter()
    call()
    took.append(time.perf_counter() - begun)


def is_clear(took: list[float]) -> bool:
    """Whether it need not be tried again."""
    return bool(took) and (took[-1] <= AT_ONCE_S or len(took) == TRIES)


def check_at_once(called: str, took: list[float], why: str) -> None:
    """At least one of these calls took no time to speak of."""
    check(
        min(took, default=0) <= AT_ONCE_S,
        called=called,
        came_back=f"after {min(took, default=0):.3f} s, the quickest of {len(took)}",
        expected="it returns at once",
        why=why,
    )


def test_one_number(exercise: Answer) -> None:
    """fileno() is one number, whatever is opened meanwhile."""
    for method in ("wake", "drain"):
        for point in range(1, POINTS):
            pipe = exercise.WakePipe()
            pipe.wake()
            number = pipe.fileno()
            opened: list[int] = []

            def open_one(opened: list[int] = opened) -> None:
                opened.append(os.open(os.devnull, os.O_RDONLY))

            where = interrupted(exercise, getattr(pipe, method), point, open_one)
            after = pipe.fileno()
            pipe.close()
            for descriptor in opened:
                outcome(partial(os.close, descriptor))
            if where is None:
                break
            check(
                after == number,
                called=f"fileno() after {method}(), in which a descriptor was opened",
                came_back=f"{after}, and it was {number} before",
                expected="the same number",
                why="A new pipe in place of the old one gets another number, if "
                "somebody was quicker to open something. A select() that sleeps "
                "watches the old number, and that is a stranger's now.",
            )


def more_than_a_pipe_holds() -> int:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    size = 0
    try:
        while True:
            size += os.write(writer, bytes(4096))
    except BlockingIOError:
        return min(size + 1, 300_000)  # so that it does not take long anywhere
    finally:
        os.close(reader)
        os.close(writer)


# -- races --------------------------------------------------------------------


def interrupted(
    answer: Answer, call: Callable[[], None], point: int, by: Callable[[], None]
) -> str | None:
    """Call `call()`, and `by()` just before the instruction of that number in it.

    As a signal handler would: Python lets a trace function in at the same places. Gives
    the line in the answer; None if there are fewer instructions.
    """
    where = None
    left = point

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left, where
        if frame.f_code.co_filename != answer.__file__:
            return None
        frame.f_trace_opcodes = True
        if event in ("line", "opcode"):
            left -= 1
            if left == 0:
                code = frame.f_code.co_name
                where = place(Path(str(answer.__file__)), frame.f_lineno, code)
                by()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return where


def check_interrupted(
    exercise: Answer,
    method: str,
    by: str,
    why: str,
    *,
    in_thread: bool = False,
    woken: bool = False,
) -> None:
    """Interrupt a method by another one, at each of its instructions in turn.

    in_thread: another thread calls the other one, and not a signal handler.
    woken: after a first wake().
    """
    who = "the sleeper's thread" if in_thread else "a signal handler"
    for point in range(1, POINTS):
        called = f"{method}(), and in the middle of it {by}() in {who}"
        took: list[float] = []
        while not is_clear(took):
            pipe = exercise.WakePipe()
            if woken:
                pipe.wake()
            other = partial(timed, getattr(pipe, by), took)
            interruption = partial(in_a_thread, other) if in_thread else other
            with within(2, exercise, called=called, expected="both return", why=LOCKED):
                where = interrupted(
                    exercise, getattr(pipe, method), point, interruption
                )
            if where is None:
                pipe.close()
                return
            if not is_clear(took):
                pipe.close()
        called += f", while it is at\n{where}"
        check_at_once(called, took, LOCKED_A_WHILE)
        pipe.wake()
        check(
            readable(pipe),
            called=f"{called}\nThen wake().",
            came_back="select() says that it is not readable",
            expected="it is readable",
            why=f"{why} {LOST}",
        )
        pipe.drain()
        check(
            not readable(pipe),
            called=f"{called}\nThen wake() and drain().",
            came_back="select() says that it is readable still",
            expected="it is not readable: drain() takes all there is",
            why="Two calls that overlap have left a byte in the pipe with which "
            "drain() does not reckon. What it reads must not depend on a count. "
            + SPINS,
        )
        pipe.close()


def in_a_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call, name="the other thread", daemon=True)
    thread.start()
    thread.join()


def test_wake_during_drain(exercise: Answer) -> None:
    """A wake() in the middle of drain() does no harm to later ones."""
    check_interrupted(
        exercise,
        "drain",
        "wake",
        "The read took a byte that the flag still counts on: drain() cleared the flag, "
        "wake() set it and wrote, and only then came the read. From now on each wake() "
        "relies on a byte that is gone.",
        woken=True,
    )


def test_wake_during_wake(exercise: Answer) -> None:
    """A wake() in the middle of another one does no harm."""
    check_interrupted(
        exercise,
        "wake",
        "wake",
        "Two calls of wake() at the same time have got into each other's way.",
    )


def test_drain_during_wake(exercise: Answer) -> None:
    """A drain() in the middle of wake() does no harm to later wakes."""
    for woken in (False, True):
        check_interrupted(
            exercise,
            "wake",
            "drain",
            "The sleeper was quicker: it has taken the byte before wake() noted that "
            "there is one. What wake() notes then is not true any more, and no later "
            "wake() writes a byte.",
            in_thread=True,
            woken=woken,
        )


# -- the end ------------------------------------------------------------------


def test_close_frees_all(exercise: Answer) -> None:
    """close() gives back every descriptor."""
    before = open_descriptors()
    pipe = exercise.WakePipe()
    pipe.wake()
    pipe.close()
    left = sorted(open_descriptors() - before)
    check(
        not left,
        called="WakePipe(), wake(), close()",
        came_back=f"descriptors {left} are open still",
        expected="none of them is open",
        why="A pipe has two ends, and each is a descriptor. A process has a limited "
        "number of them: one that is forgotten cannot serve a client.",
    )


def test_after_close(exercise: Answer) -> None:
    """After close() nothing is done to those that got the numbers."""
    before = open_descriptors()
    pipe = exercise.WakePipe()
    numbers = open_descriptors() - before
    pipe.close()
    strangers = strangers_with(numbers)
    try:
        for name, why in {
            "wake": "A worker that finishes late wakes a loop that has ended. That is "
            "no mistake of the worker's.",
            "drain": "There is nothing to drain, so nothing is done.",
            "close": "What is closed already needs no closing.",
        }.items():
            called = f"{name}() after close()"
            error = outcome(getattr(pipe, name))
            check(
                error is None,
                called=called,
                came_back=error,
                expected="it does nothing",
                why=why,
            )
            harm = harm_to(strangers)
            check(
                harm is None,
                called=f"{called}, where new sockets have got the pipe's old numbers",
                came_back=harm,
                expected="nothing happens to those sockets",
                why="The number of a closed descriptor is given to the next one that "
                "is opened. Who keeps the number has a stranger in hand: a client, "
                "perhaps, who finds a byte too many in a response, or is cut off.",
            )
        check(
            pipe.fileno() == -1,
            called="fileno() after close()",
            came_back=pipe.fileno(),
            expected=-1,
            why="select() refuses -1, and so shows the mistake. The old number it "
            "would watch, whoever has got that.",
        )
    finally:
        for stranger in strangers:
            # Closed by the answer, perhaps.
            outcome(stranger.close)


def strangers_with(numbers: set[int]) -> list[socket.socket]:
    """Connected pairs of sockets that have these numbers; each has sent b"hello"."""
    strangers: list[socket.socket] = []
    # The lowest number that is free is given first, so these are soon had.
    while len(strangers) < 20 and numbers - {sock.fileno() for sock in strangers}:
        strangers += socket.socketpair()
    for stranger in strangers:
        stranger.setblocking(False)
        stranger.send(b"hello")
    return strangers


def harm_to(strangers: list[socket.socket]) -> str | None:
    """What has happened to them, in words."""
    for stranger in strangers:
        try:
            received = stranger.recv(100, socket.MSG_PEEK)
        except BlockingIOError:
            return "what a client had sent to such a socket is gone"
        except OSError:
            return "such a socket is closed"
        if received != b"hello":
            return f"a client got {received!r} from such a socket, which sent b'hello'"
    return None
