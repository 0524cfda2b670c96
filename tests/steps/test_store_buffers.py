"""What two threads agree upon, tried in every order in which a processor may do it.

Python with the GIL lets all threads see what one does in the order in which it does it.
Without the GIL it does not, and says nothing of the order in which one thread sees what
another has written. It promises that an assignment is one step (the FAQ's "What kinds
of global value mutation are thread-safe?"), and that a lock, a queue, an event, and the
ends of a deque are made for several threads.

Here the protocols of the steps are written as threads of a model, one line for each
access to what is shared; `orders.py` tries every order of their lines. A model is no
proof of the code, but of the idea; the code is tested in test_symptoms.py and
test_reactors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.steps.orders import (
    ANY,
    AS_WRITTEN,
    BUFFERED,
    Order,
    Program,
    Step,
    Thread,
    explore,
    read,
    write,
)

Protocol = Callable[[], list[Program]]


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
            yield from drain()
            yield Step("lock", "list")
            work = (yield read("work 0")) + (yield read("work 1"))
            yield Step("unlock", "list")

    def waker(number: int) -> Program:
        def run() -> Thread:
            yield Step("lock", "list")
            yield write(f"work {number}", 1)
            yield Step("unlock", "list")
            yield from wake()

        return run

    return [sleeper, waker(0), waker(1)]


def wake() -> Thread:
    yield Step("lock", "pipe")
    woken = yield read("woken")
    if not woken:
        yield write("woken", 1)
    yield Step("unlock", "pipe")
    if not woken:
        yield Step("add", "bytes", 1)


def drain() -> Thread:
    yield Step("lock", "pipe")
    yield Step("take", "bytes")
    yield write("woken", 0)
    yield Step("unlock", "pipe")


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
    """As it is. The results are taken, and the flag cleared, without the lock."""

    def loop() -> Thread:
        taken = 0
        while taken < 2:
            yield Step("lock", "pool")  # may_sleep()
            waiting = yield read("results")
            yield write("sleeps", int(not waiting))
            yield Step("unlock", "pool")
            if not waiting:
                yield Step("see", "bytes")
                yield from drain()
            yield write("sleeps", 0)  # results()
            while (yield read("results")):
                yield Step("get", "results")
                taken += 1

    def worker() -> Thread:
        yield Step("lock", "pool")
        yield Step("put", "results")
        sleeps = yield read("sleeps")
        yield write("sleeps", 0)
        yield Step("unlock", "pool")
        if sleeps:
            yield from wake()

    return [loop, worker, lambda: worker()]


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
    """As it is in steps 01 and 08: only one of the two flags is under the lock."""

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


def stop_of_a_pool() -> list[Program]:
    """As it is in step 02, with a connection that a worker has, or is about to get."""

    def loop() -> Thread:
        yield Step("put", "jobs")
        yield Step("lock", "lock")
        yield write("stopping", 1)
        in_service = yield read("in service")
        yield Step("unlock", "lock")
        if in_service:
            yield Step("add", "interrupted", 1)
        yield Step("put", "end")
        yield Step("get", "ended")  # join()

    def worker() -> Thread:
        yield Step("get", "jobs")
        yield Step("lock", "lock")
        yield write("in service", 1)
        stopping = yield read("stopping")
        yield Step("unlock", "lock")
        if stopping:
            yield Step("add", "interrupted", 1)
        yield Step("wait", "interrupted")
        yield Step("lock", "lock")
        yield write("in service", 0)
        yield Step("unlock", "lock")
        yield Step("get", "end")
        yield Step("put", "ended")

    return [loop, worker]


# --- `busy`, in steps 03 and 04: a connection, with what has come of its next request,
# --- goes from a worker by way of the loop to another worker


def busy_alone() -> list[Program]:
    """As it was: the worker clears the flag, and the loop looks at it."""

    def worker() -> Thread:
        yield write("parser", 1)
        yield write("idle", 1)

    def loop() -> Thread:
        idle = yield read("idle")
        yield write("is that one", idle)  # else some other connection
        yield Step("put", "jobs")

    return [worker, loop, _other_worker]


def busy_with_a_lock() -> list[Program]:
    """As it is: both do so under the lock of the list."""

    def worker() -> Thread:
        yield write("parser", 1)
        yield Step("lock", "list")
        yield write("idle", 1)
        yield Step("unlock", "list")

    def loop() -> Thread:
        yield Step("lock", "list")
        idle = yield read("idle")
        yield Step("unlock", "list")
        yield write("is that one", idle)
        yield Step("put", "jobs")

    return [worker, loop, _other_worker]


def _other_worker() -> Thread:
    yield Step("get", "jobs")
    if (yield read("is that one")) and not (yield read("parser")):
        yield Step("wait", "the part of the request that the first worker has read")


# --- The room of step 13: a worker makes it, and a client may leave at that moment


def room_alone() -> list[Program]:
    """As it was: the loop closes the connection and sets the event, if it sees one."""

    def loop() -> Thread:
        yield write("closed", 1)
        yield from make_room()
        yield from results_until_the_last(lambda: iter(()))

    return [loop, worker_with_pieces]


def room_looked_at_again() -> list[Program]:
    """As it is: it does so again for each piece that comes for a closed connection."""

    def loop() -> Thread:
        yield write("closed", 1)
        yield from make_room()
        yield from results_until_the_last(make_room)

    return [loop, worker_with_pieces]


def make_room() -> Thread:
    if (yield read("room")):
        yield Step("set", "event")


def results_until_the_last(for_each: Callable[[], Iterator[Step]]) -> Thread:
    last = 0
    while not last:
        yield Step("get", "results")
        last = yield read("last")
        yield from for_each()


def worker_with_pieces() -> Thread:
    yield write("room", 1)
    yield Step("set", "event")
    for _ in range(2):
        yield Step("await", "event")
        yield Step("clear", "event")
        if (yield read("closed")):
            break
        yield Step("put", "results")
    yield write("last", 1)
    yield Step("put", "results")


# --- What is known of processors, to see that the model is one of them


def same_name_read_twice() -> list[Program]:
    def reader() -> Thread:
        if (yield read("x")) and not (yield read("x")):
            yield Step("wait", "for what was newer before")

    return [_writer, reader]


def _writer() -> Thread:
    yield write("x", 1)


# Each protocol, and the freest order in which nobody waits for ever.
PROTOCOLS = {
    with_a_flag: AS_WRITTEN,
    with_a_flag_and_a_lock: ANY,
    loop_says_and_looks: AS_WRITTEN,
    loop_and_workers_with_a_lock: ANY,
    stop_with_two_flags: AS_WRITTEN,
    stop_with_a_lock: ANY,
    stop_of_a_pool: ANY,
    busy_alone: BUFFERED,
    busy_with_a_lock: ANY,
    room_alone: AS_WRITTEN,
    room_looked_at_again: ANY,
    same_name_read_twice: ANY,
}


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_waits_for_ever(protocol: Protocol, order: Order) -> None:
    states, stuck = explore(protocol(), order)
    assert states > 5, "the model has hardly been explored"
    holds = order.value <= PROTOCOLS[protocol].value
    assert holds == (not stuck)
