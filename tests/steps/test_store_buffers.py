"""What two threads agree upon, tried in every order in which a processor may do it.

A processor may keep what a thread has written in a buffer of that thread's own for a
while, and go on reading: the others see it later, in the order in which it was written
(Intel's manual, volume 3A, §8.2.3.4; "total store order"). Python with the GIL hides
that. Without the GIL it does not, and promises no more than that a lock shows whoever
takes it what was written before it was given back.

Here the protocols of the steps are written as threads of a model, one line for each
access to what is shared, and every order of their lines and their buffers is tried. A
model is no proof of the code, but of the idea; the code is tested in test_symptoms.py
and test_reactors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import pytest


class Step(NamedTuple):
    """One access. kind: "write" goes to the thread's buffer, "read" looks there first;
    "add" is the kernel's, at once; "wait" goes on when the name is not 0, and makes it
    0, "see" goes on then and leaves it, "take" makes it 0 whatever it is; "lock" and
    "unlock" do what they say, with an empty buffer."""

    kind: str
    name: str
    value: int = 0


def write(name: str, value: int) -> Step:
    return Step("write", name, value)


def read(name: str) -> Step:
    return Step("read", name)


Thread = Generator[Step, int, None]
Program = Callable[[], Thread]
# What each thread has been given so far, which says where it is; its buffer; and the
# memory that all share.
State = tuple[
    tuple[tuple[int, ...], ...],
    tuple[tuple[tuple[str, int], ...], ...],
    frozenset[tuple[str, int]],
]


def next_step(program: Program, given: tuple[int, ...]) -> Step | None:
    """What the thread does next; None: it has ended."""
    thread = program()
    try:
        step = next(thread)
        for value in given:
            step = thread.send(value)
    except StopIteration:
        return None
    return step


def successors(programs: list[Program], state: State, buffered: bool) -> list[State]:
    given, buffers, shared = state
    found = []

    def move(
        number: int, value: int | None, buffer: tuple[tuple[str, int], ...], **new: int
    ) -> None:
        mine = given[number] if value is None else (*given[number], value)
        found.append(
            (
                (*given[:number], mine, *given[number + 1 :]),
                (*buffers[:number], buffer, *buffers[number + 1 :]),
                frozenset((dict(shared) | new).items()),
            )
        )

    for number, program in enumerate(programs):
        memory, buffer = dict(shared), buffers[number]
        if buffer:  # the oldest write reaches the memory
            name, value = buffer[0]
            move(number, None, buffer[1:], **{name: value})
        step = next_step(program, given[number])
        if step is None:
            continue
        now = memory.get(step.name, 0)
        if step.kind == "write" and buffered:
            move(number, 0, (*buffer, (step.name, step.value)))
        elif step.kind == "write":
            move(number, 0, buffer, **{step.name: step.value})
        elif step.kind == "read":
            own = [value for name, value in buffer if name == step.name]
            move(number, own[-1] if own else now, buffer)
        elif step.kind == "add":
            move(number, 0, buffer, **{step.name: now + step.value})
        elif step.kind == "wait" and now:
            move(number, now, buffer, **{step.name: 0})
        elif step.kind == "see" and now:
            move(number, now, buffer)
        elif step.kind == "take":
            move(number, now, buffer, **{step.name: 0})
        elif step.kind == "lock" and not buffer and not now:
            move(number, 0, buffer, **{step.name: 1})
        elif step.kind == "unlock" and not buffer:
            move(number, 0, buffer, **{step.name: 0})
    return found


def explore(programs: list[Program], buffered: bool) -> tuple[int, list[State]]:
    """How many states there are, and those in which some thread waits for ever.

    buffered: writes go through the buffers, as without the GIL; else to the memory.
    """
    first: State = (((),) * len(programs), ((),) * len(programs), frozenset())
    seen, todo, stuck = {first}, [first], []
    while todo:
        state = todo.pop()
        after = successors(programs, state, buffered)
        if not after and any(
            next_step(program, given) is not None
            for program, given in zip(programs, state[0], strict=True)
        ):
            stuck.append(state)
        for new in after:
            if new not in seen:
                seen.add(new)
                todo.append(new)
    return len(seen), stuck


# --- The pipe of step 04: two threads put work there, a third sleeps until it has both


def with_a_flag() -> list[Program]:
    """As the pipe was, with a flag that says that a byte is on its way."""

    def sleeper() -> Thread:
        work = 0
        while work < 2:
            yield Step("wait", "pipe")
            yield write("woken", 0)
            work = (yield read("work 0")) + (yield read("work 1"))

    def waker(number: int) -> Program:
        def run() -> Thread:
            yield write(f"work {number}", 1)
            if not (yield read("woken")):
                yield write("woken", 1)
                yield Step("add", "pipe", 1)

        return run

    return [sleeper, waker(0), waker(1)]


def with_a_flag_and_a_lock() -> list[Program]:
    """As it is. The work is put there under a lock, as step 04's list does it."""

    def sleeper() -> Thread:
        work = 0
        while work < 2:
            yield Step("see", "bytes")
            yield Step("lock", "pipe")
            yield Step("take", "bytes")
            yield write("woken", 0)
            yield Step("unlock", "pipe")
            yield Step("lock", "list")
            work = (yield read("work 0")) + (yield read("work 1"))
            yield Step("unlock", "list")

    def waker(number: int) -> Program:
        def run() -> Thread:
            yield Step("lock", "list")
            yield write(f"work {number}", 1)
            yield Step("unlock", "list")
            yield Step("lock", "pipe")
            woken = yield read("woken")
            yield write("woken", 1)
            yield Step("unlock", "pipe")
            if not woken:
                yield Step("add", "bytes", 1)

        return run

    return [sleeper, waker(0), waker(1)]


# --- The pool of step 10: a loop that sleeps unless there are results


def loop_says_and_looks() -> list[Program]:
    """As it was: each side first says what it does, and then looks."""

    def loop() -> Thread:
        results = 0
        while results < 2:
            yield write("sleeps", 1)
            results = (yield read("result 0")) + (yield read("result 1"))
            if results < 2:
                yield Step("wait", "pipe")
            yield write("sleeps", 0)

    def worker(number: int) -> Program:
        def run() -> Thread:
            yield write(f"result {number}", 1)
            if (yield read("sleeps")):
                yield Step("add", "pipe", 1)

        return run

    return [loop, worker(0), worker(1)]


def loop_and_workers_with_a_lock() -> list[Program]:
    """As it is."""

    def loop() -> Thread:
        results = 0
        while results < 2:
            yield Step("lock", "pool")
            results = (yield read("result 0")) + (yield read("result 1"))
            yield write("sleeps", int(results < 2))
            yield Step("unlock", "pool")
            if results < 2:
                yield Step("wait", "pipe")
            yield write("sleeps", 0)

    def worker(number: int) -> Program:
        def run() -> Thread:
            yield Step("lock", "pool")
            yield write(f"result {number}", 1)
            sleeps = yield read("sleeps")
            yield write("sleeps", 0)
            yield Step("unlock", "pool")
            if sleeps:
                yield Step("add", "pipe", 1)

        return run

    return [loop, worker(0), worker(1)]


# --- stop(), in steps 01, 02 and 08: what is being served has to be interrupted


def stop_with_two_flags() -> list[Program]:
    """As it was: each side sets its own flag, and then looks at the other's."""

    def stop() -> Thread:
        yield write("stopping", 1)
        if (yield read("serving")):
            yield Step("add", "interrupted", 1)

    def serve() -> Thread:
        yield write("serving", 1)
        if (yield read("stopping")):
            yield Step("add", "interrupted", 1)
        yield Step("wait", "interrupted")  # the client says nothing

    return [stop, serve]


def stop_with_a_lock() -> list[Program]:
    """As it is in steps 01 and 08; step 02 also sets its flag under the lock."""

    def stop() -> Thread:
        yield write("stopping", 1)
        yield Step("lock", "lock")
        serving = yield read("serving")
        yield Step("unlock", "lock")
        if serving:
            yield Step("add", "interrupted", 1)

    def serve() -> Thread:
        yield Step("lock", "lock")
        yield write("serving", 1)
        yield Step("unlock", "lock")
        if (yield read("stopping")):
            yield Step("add", "interrupted", 1)
        yield Step("wait", "interrupted")

    return [stop, serve]


# --- The room of step 13: a worker makes it, and a client may leave at that moment


def room_alone() -> list[Program]:
    """As it was: the loop closes the connection and sets the event, if it sees one."""

    def loop() -> Thread:
        yield write("closed", 1)
        if (yield read("room")):
            yield Step("add", "event", 1)
        yield Step("wait", "result")

    return [loop, _worker_with_a_room]


def room_looked_at_again() -> list[Program]:
    """As it is: it does so again for each piece that comes for a closed connection."""

    def loop() -> Thread:
        yield write("closed", 1)
        if (yield read("room")):
            yield Step("add", "event", 1)
        yield Step("lock", "pool")
        yield Step("unlock", "pool")
        yield Step("wait", "result")
        if (yield read("room")):
            yield Step("add", "event", 1)

    return [loop, _worker_with_a_room]


def _worker_with_a_room() -> Thread:
    yield write("room", 1)
    if (yield read("closed")):
        yield Step("add", "result", 1)  # broken off: that is the last of it
        return
    yield Step("lock", "pool")
    yield Step("unlock", "pool")
    yield Step("add", "result", 1)
    yield Step("wait", "event")  # before the second piece


LOSE = [with_a_flag, loop_says_and_looks, stop_with_two_flags, room_alone]
HOLD = [
    with_a_flag_and_a_lock,
    loop_and_workers_with_a_lock,
    stop_with_a_lock,
    room_looked_at_again,
]


@pytest.mark.parametrize("protocol", LOSE)
def test_it_is_the_buffers_that_lose_a_wake(
    protocol: Callable[[], list[Program]],
) -> None:
    _, with_gil = explore(protocol(), buffered=False)
    _, without = explore(protocol(), buffered=True)
    assert without
    assert not with_gil


@pytest.mark.parametrize("protocol", HOLD)
def test_no_order_leaves_a_thread_asleep(protocol: Callable[[], list[Program]]) -> None:
    states, stuck = explore(protocol(), buffered=True)
    assert states > 50, "the model has hardly been explored"
    assert not stuck
