"""Checks chapters/10-workers-again/exercise.py.

The starter is told: HTTP/1.1 says only by their order
"""

import contextlib
import functools
import gc
import itertools
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from workshop import Answer, check, within

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class HandlerError(Exception):
    """What a handler raises."""


class CancelledError(BaseException):
    """What it may raise as well; there is one in asyncio."""


def nothing() -> None:
    """Wakes nobody."""


def begun(exercise: Answer, count: int, wake: Callable[[], object] = nothing) -> Any:
    """An InOrder whose limit is `count`, and as many tickets."""
    in_order = exercise.InOrder(count, wake)
    return in_order, [in_order.begin() for _ in range(count)]


def test_order(exercise: Answer) -> None:
    """Answers come in the order of the requests, whoever is done first."""
    in_order, tickets = begun(exercise, 4)
    done = []
    for number, now in ((2, []), (0, [b"a0"]), (1, [b"a1", b"a2"]), (3, [b"a3"])):
        in_order.finish(tickets[number], b"a%d" % number)
        done.append(str(number))
        came_back = in_order.take()
        check(
            came_back == now,
            called=f"take() after requests 0 to 3 had begun and {', '.join(done)} "
            f"{'was' if len(done) == 1 else 'were'} finished, in that order",
            came_back=came_back,
            expected=now,
            why="What has nobody before it should not wait: its client does."
            if came_back in [now[:some] for some in range(len(now))]
            else "HTTP/1.1 says only by their order which answer belongs to which "
            "request. An answer that overtakes another is taken for the other's, and "
            "one that is sent twice for the answer to the next.",
        )


def test_two_connections(exercise: Answer) -> None:
    """Two connections have nothing to do with each other."""
    one, [ticket, _] = begun(exercise, 2)
    other, _ = begun(exercise, 2)
    one.finish(ticket, b"mine")
    came_back = other.take(), one.take()
    check(
        came_back == ([], [b"mine"]),
        called="take() of two InOrder, after finish() of the second one's request",
        came_back=came_back,
        expected=([], [b"mine"]),
        why="What stands in the class itself is shared by all connections: one "
        "client's answer goes to another.",
    )


def test_limit(exercise: Answer) -> None:
    """No more than `limit` requests are under way."""
    in_order, tickets = begun(exercise, 3)
    check(
        None not in tickets and len(set(tickets)) == 3,
        called="begin(), three times, where the limit is 3",
        came_back=tickets,
        expected="three different numbers",
        why="The limit is what may be under way, not what may not; and a worker knows "
        "its request by its ticket alone.",
    )
    called = "begin() where the limit is 3 and 3 requests are under way"
    waits = (
        "begin() does not wait. It is called by the loop, which has other connections, "
        "and which alone makes room, with take(): here it waits for itself."
    )
    # A wait may have an end; others who want the processor do not stop all three.
    least_s = 1e9
    with within(2, exercise, called=called, expected=None, why=waits):
        for _ in range(3):
            before = time.perf_counter()
            refused = in_order.begin()
            least_s = min(least_s, time.perf_counter() - before)
    check(
        least_s < 0.005,
        called=called,
        came_back=f"{refused}, after {least_s:.3f} s",
        expected="None, at once",
        why=waits,
    )
    check(
        refused is None,
        called=called,
        came_back=refused,
        expected=None,
        why="Nothing bounds what a client sends. Without a limit, one connection can "
        "have requests under way until the memory is used up.",
    )
    for number, which in ((2, "the third"), (1, "the third and the second")):
        in_order.finish(tickets[number], b"a%d" % number)
        refused = in_order.begin()
        check(
            refused is None,
            called=f"begin() where the limit is 3, 3 requests had begun and {which} "
            "had been finished",
            came_back=refused,
            expected=None,
            why="An answer that waits for an earlier one needs memory, too. If only "
            "the unfinished count, one slow request lets any number of finished ones "
            "pile up behind it.",
        )
    in_order.finish(tickets[0], b"a0")
    refused = in_order.begin()
    check(
        refused is None,
        called="begin() where the limit is 3 and 3 requests were finished, and take() "
        "had not been called",
        came_back=refused,
        expected=None,
        why="Answers that nobody has taken need memory, too.",
    )
    in_order.take()
    again = [in_order.begin() for _ in range(4)]
    check(
        None not in again[:3] and again[3] is None,
        called="begin(), four times, where the limit is 3 and all answers were taken",
        came_back=again,
        expected="three numbers, and None",
        why="What has been taken makes room for as much, or a connection comes to a "
        "stand after `limit` requests.",
    )
    check(
        not set(again) & set(tickets),
        called="begin() after all answers were taken",
        came_back=again,
        expected=f"other numbers than before: {tickets}",
        why="A worker that finishes a request twice would answer somebody else's.",
    )
    in_order.finish(again[0], b"a3")
    came_back = in_order.take()
    check(
        came_back == [b"a3"],
        called="take() after begin() had returned None a few times, and the request "
        "that began next was finished",
        came_back=came_back,
        expected=[b"a3"],
        why="A request that was refused has no place in the order. Nobody finishes it, "
        "so all that come behind it wait for ever.",
    )


def test_failed_handler(exercise: Answer) -> None:
    """A handler that fails leaves no hole."""
    for error in (HandlerError("it failed"), SystemExit(1), CancelledError()):
        wakes: list[None] = []
        in_order, tickets = begun(exercise, 3, functools.partial(wakes.append, None))
        in_order.work(tickets[1], lambda: b"a1")
        raised: object = None
        try:
            in_order.work(tickets[0], raises(error))
        except (HandlerError, SystemExit, CancelledError) as caught:
            raised = caught
        came_back = in_order.take()
        kind = type(error).__name__
        check(
            came_back == [FAILED, b"a1"],
            called=f"take() after work() of two, whose first handler raised {kind}",
            came_back=came_back,
            expected=[FAILED, b"a1"],
            why="The later answers wait for the one that will not come, and the client "
            "waits for all of them, for ever. "
            + (
                "sys.exit() in a handler raises SystemExit, which is no Exception."
                if isinstance(error, SystemExit)
                else "A failed request needs an answer in its place."
                if isinstance(error, HandlerError)
                else "SystemExit is not the only one that is no Exception: all derive "
                "from BaseException, and one that is cancelled is such a one, too."
            ),
        )
        check(
            wakes,
            called=f"work() of two, whose first handler raised {kind}",
            came_back="wake() was not called",
            expected="it is called",
            why="FAILED is an answer like any other. If it is put in its place and the "
            "loop is not woken, it sleeps, and the client waits for what is there.",
        )
        check(
            raised is error,
            called=f"work() with a handler that raised {kind}",
            came_back="nothing" if raised is None else raised,
            expected=f"the {kind}, when FAILED has taken the answer's place",
            why="An exception swallowed here is in nobody's log: users see a 500, and "
            "whoever runs the server sees nothing.",
        )


def test_any_answer(exercise: Answer) -> None:
    """An answer is what was handed in, be it empty or like FAILED."""
    for answer, why in (
        (
            b"",
            "b'' is false for `if`, and is an answer all the same. Taken for none, it "
            "holds up all that come behind it.",
        ),
        (
            FAILED,
            "A handler may return the same bytes. It is finished once, like any other.",
        ),
    ):
        in_order, tickets = begun(exercise, 2)
        in_order.finish(tickets[1], b"a1")
        came_back: object
        try:
            in_order.work(tickets[0], lambda answer=answer: answer)
            came_back = in_order.take()
        except ValueError as error:
            came_back = error
        check(
            came_back == [answer, b"a1"],
            called=f"take() after the first handler had returned {answer[:12]!r}, and "
            "the second request was finished",
            came_back=came_back,
            expected=[answer, b"a1"],
            why=why,
        )
    in_order, tickets = begun(exercise, 2)
    in_order.finish(tickets[1], b"")
    refused = finish_came_back(in_order, tickets[1], b"other")
    check(
        isinstance(refused, ValueError),
        called="finish() of a request that had been finished with b''",
        came_back=refused,
        expected=ValueError,
        why="b'' is false for `if`, and is an answer all the same: it has been given.",
    )


def raises(error: BaseException) -> Callable[[], bytes]:
    def handler() -> bytes:
        raise error

    return handler


def finish_came_back(in_order: Any, ticket: int, answer: bytes) -> object:
    try:
        in_order.finish(ticket, answer)
    except Exception as error:
        return error
    return "nothing: it was accepted"


def test_wrong_tickets(exercise: Answer) -> None:
    """An answer that nobody waits for is an error."""
    wakes: list[None] = []
    in_order, tickets = begun(exercise, 4, lambda: wakes.append(None))
    in_order.finish(tickets[0], b"a0")
    in_order.finish(tickets[2], b"a2")
    in_order.take()
    wakes.clear()
    # Request 0 has been taken, 1 and 3 are being worked on, 2 waits for 1.
    for ticket, whose, why in (
        (
            tickets[2],
            "of a request that had been finished and waits for an earlier one",
            "The second answer would replace the first, or be sent beside it.",
        ),
        (
            tickets[0],
            "of a request whose answer had been taken",
            "The client has that answer. A second one would be taken for the answer to "
            "the next request, or wait for ever.",
        ),
        (
            max(tickets) + 1,
            "that begin() has not given yet",
            "The next request would have an answer before it has begun.",
        ),
        (
            max(tickets) + 1000,
            "that begin() has not given yet, nor soon will",
            "It would be kept for ever, and so would the next one.",
        ),
        (
            min(tickets) - 1,
            "that begin() never gave, one less than the first",
            "A negative index counts from the end, so the answer may land in the place "
            "of another request, and nobody would notice.",
        ),
    ):
        came_back = finish_came_back(in_order, ticket, b"wrong")
        check(
            isinstance(came_back, ValueError),
            called=f"finish({ticket}, b'wrong') with a ticket {whose}",
            came_back=came_back,
            expected=ValueError,
            why=why,
        )
        check(
            not wakes,
            called=f"finish({ticket}, b'wrong') with a ticket {whose}",
            came_back=f"wake() was called {len(wakes)} times",
            expected="it is not called",
            why="What is refused changes nothing: there is nothing to take.",
        )
    in_order.finish(tickets[3], b"a3")
    in_order.finish(tickets[1], b"a1")
    taken = in_order.take()
    check(
        taken == [b"a1", b"a2", b"a3"],
        called="take() after wrong answers had been refused, and right ones accepted",
        came_back=taken,
        expected=[b"a1", b"a2", b"a3"],
        why="What is refused must change nothing.",
    )


def test_wakes(exercise: Answer) -> None:
    """The loop is woken when there is something to take, and at no other time."""
    wakes: list[None] = []
    in_order, tickets = begun(exercise, 5, lambda: wakes.append(None))
    for number, expected, situation in (
        (1, 0, "of the second request, when the first has no answer"),
        (0, 1, "of the first request, when the second has its answer"),
        (2, 1, "of the third request, when the first two wait to be taken"),
        (None, 1, ""),
        (4, 1, "of the fifth request, when the fourth has no answer"),
        (3, 2, "of the fourth request, when three answers have been taken"),
    ):
        if number is None:
            in_order.take()
            continue
        in_order.finish(tickets[number], b"a")
        check(
            len(wakes) == expected,
            called=f"finish() {situation}",
            came_back=f"wake() was called {len(wakes)} times so far",
            expected=f"{expected} times",
            why="Each wake costs the worker and the loop a system call, and the loop a "
            "round in which it finds nothing that is new."
            if len(wakes) > expected
            else "The loop sleeps while an answer may be sent; nobody will wake it.",
        )


def test_hundreds(exercise: Answer) -> None:
    """What is right for a few requests is right for a thousand."""
    wakes: list[None] = []
    in_order, tickets = begun(exercise, 1100, lambda: wakes.append(None))
    refused = in_order.begin()
    for ticket in tickets:
        in_order.finish(ticket, b"a")
        in_order.take()
    check(
        refused is None and len(wakes) == 1100,
        called="begin(), 1101 times, where the limit is 1100; then finish() and "
        "take(), 1100 times",
        came_back=f"the last begin() gave {refused}; {len(wakes)} wakes",
        expected="the last begin() gave None; 1100 wakes",
        why="`is` asks for the same object, not for the same number. CPython keeps one "
        "object for each number up to 256 (from 3.15 on up to 1024), so it seems to "
        "work until there are more.",
    )


def test_woken_loop_finds_it(exercise: Answer) -> None:
    """Whoever is woken can take the answer at once."""
    seen: list[object] = []

    def wake() -> None:
        # The loop has a thread of its own, so a lock that this thread holds stops it.
        loop = threading.Thread(target=lambda: seen.append(in_order.take()))
        loop.daemon = True
        loop.start()
        loop.join(1)
        waits.append(loop.is_alive())

    waits: list[bool] = []
    in_order, [ticket] = begun(exercise, 1, wake)
    called = "finish(), where wake() lets another thread call take() and waits for it"
    with within(
        2, exercise, called=called, expected="it returns", why="wake() may take a lock."
    ):
        in_order.finish(ticket, b"a0")
    check(
        waits == [False],
        called=called,
        came_back="nothing, within 1 s: take() waits for a lock that finish() holds",
        expected="[b'a0']",
        why="The loop, once woken, has to wait for the lock of the one who woke it. "
        "And if wake() takes a lock of the loop's, each waits for the other, for ever.",
    )
    check(
        seen == [[b"a0"]],
        called=called,
        came_back=seen,
        expected=[[b"a0"]],
        why="First the answer, then the wake. The other way round the loop may look "
        "before the answer is there, and go to sleep again: nobody wakes it a second "
        "time.",
    )


def test_handlers_together(exercise: Answer) -> None:
    """Handlers of several workers run at the same time."""
    in_order, [first, second] = begun(exercise, 2)

    def handler() -> bytes:
        worker = threading.Thread(target=in_order.work, args=(second, lambda: b"a1"))
        worker.daemon = True
        worker.start()
        worker.join(1)
        waits.append(worker.is_alive())
        return b"a0"

    waits: list[bool] = []
    in_order.work(first, handler)
    check(
        waits == [False],
        called="work() in one thread, while a handler runs in another",
        came_back="nothing, within 1 s: it waits until the other handler is done",
        expected="both run",
        why="Who holds a lock while a handler runs makes of all workers one; and the "
        "loop, which needs the lock for begin() and take(), waits for the handler.",
    )


# -- two threads at once ------------------------------------------------------


class Meeting:
    """Two calls at the same time: at one step of the first, the second is made.

    A step is an instruction of Python's in the reader's file. The second call has its
    own thread. The first goes on when the second is done, or waits for a lock, which
    the first may hold.
    """

    def __init__(self, exercise: Answer, begun: int) -> None:
        self.path = str(exercise.__file__)
        self.goes_on = threading.Event()
        self.second: threading.Thread | None = None
        self.wakes = self.wakes_seen = 0
        self.taken: list[bytes] = []
        self.refused: dict[bytes, Exception] = {}
        with mock.patch.multiple(
            threading,
            Lock=functools.partial(SeenLock, threading.Lock, self),
            RLock=functools.partial(SeenLock, threading.RLock, self),
        ):
            # Read anew, for a lock may be the module's or the class's.
            self.in_order = Answer(Path(self.path)).InOrder(begun + 1, self.wake)
        self.tickets = [self.in_order.begin() for _ in range(begun)]

    def wake(self) -> None:
        self.wakes += 1

    def begin(self) -> None:
        self.tickets.append(self.in_order.begin())

    def finish(self, number: int, answer: bytes) -> None:
        try:
            self.in_order.finish(self.tickets[number], answer)
        except Exception as error:
            self.refused[answer] = error

    def take(self) -> None:
        self.wakes_seen = self.wakes
        self.taken += self.in_order.take()

    def until_the_loop_sleeps(self) -> None:
        """It takes what there is, as often as it was woken."""
        while self.wakes_seen < self.wakes:
            self.take()

    def hold(self, step: int, first: "Call", second: "Call") -> bool:
        """Make both calls; False if the first has no such step."""
        self.second = threading.Thread(target=self.run, args=[second], daemon=True)
        steps = 0

        def trace(frame: types.FrameType, event: str, _: object) -> Any:
            nonlocal steps
            if frame.f_code.co_filename != self.path:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                if steps == step and self.second is not None:
                    self.second.start()
                    self.goes_on.wait(1)
                steps += 1
            return trace

        with traced(trace):
            first(self)
        if steps > step:
            self.second.join(2)
        return steps > step

    def run(self, second: "Call") -> None:
        try:
            second(self)
        finally:
            self.goes_on.set()


Call = Callable[[Meeting], object]


class SeenLock:
    """A lock that says when the second thread has to wait for it."""

    def __init__(self, make: Callable[[], Any], meeting: Meeting) -> None:
        self.lock = make()
        self.meeting = meeting

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.lock.acquire(False):
            return True
        if threading.current_thread() is self.meeting.second:
            self.meeting.goes_on.set()
        return bool(blocking and self.lock.acquire(True, timeout))

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lock, name)


@contextlib.contextmanager
def traced(trace: Callable[[types.FrameType, str, object], Any]) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def meetings(
    exercise: Answer, first: Call, second: Call, prepare: Call = lambda _: None
) -> Iterator[Meeting]:
    """Two requests have begun; one meeting for each step of the first call."""
    for step in itertools.count():
        meeting = Meeting(exercise, 2)
        prepare(meeting)
        if not meeting.hold(step, first, second):
            return
        yield meeting


def finish(number: int, answer: bytes) -> Call:
    return lambda meeting: meeting.finish(number, answer)


def test_taken_meanwhile(exercise: Answer) -> None:
    """No wake is lost if the loop takes answers while a worker finishes one."""
    worker = finish(1, b"a1")
    for first, second in ((Meeting.take, worker), (worker, Meeting.take)):
        for meeting in meetings(exercise, first, second, prepare=finish(0, b"a0")):
            meeting.until_the_loop_sleeps()
            left = meeting.in_order.take()
            check(
                meeting.taken == [b"a0", b"a1"],
                called="take() in the loop while a worker is in finish() of the second "
                "request, where the first has its answer",
                came_back=f"{meeting.taken}; then the loop sleeps, and {left} is left",
                expected=[b"a0", b"a1"],
                why="A lost wake: the worker asked whether its answer is the first "
                "when it was not yet, and handed it in when the loop had looked. To "
                "ask and to hand in has to be one step for the others."
                if left
                else "Two threads changed the same at the same time. To look and to "
                "change has to be one step for the others.",
            )


def test_finished_by_two(exercise: Answer) -> None:
    """Of two threads that finish the same request, one is refused."""
    for meeting in meetings(exercise, finish(0, b"x"), finish(0, b"y")):
        meeting.until_the_loop_sleeps()
        accepted = [answer for answer in (b"x", b"y") if answer not in meeting.refused]
        check(
            len(accepted) == 1 and meeting.taken == accepted,
            called="finish() of the same request, in two threads at the same time, "
            "with the answers b'x' and b'y'; then take(), if wake() was called",
            came_back=f"accepted: {accepted}; taken: {meeting.taken}",
            expected="ValueError for one, and the answer of the other",
            why="Both looked whether there is an answer, and both found none: between "
            "the look and the change the other came. Both have to be one step.",
        )


def test_begun_meanwhile(exercise: Answer) -> None:
    """A request may begin while another is being finished."""
    for meeting in meetings(exercise, finish(1, b"a1"), Meeting.begin):
        meeting.finish(2, b"a2")
        meeting.finish(0, b"a0")
        meeting.until_the_loop_sleeps()
        check(
            meeting.taken == [b"a0", b"a1", b"a2"],
            called="begin() in the loop while a worker is in finish() of another",
            came_back=[*meeting.refused.values()] or meeting.taken,
            expected=[b"a0", b"a1", b"a2"],
            why="The worker reads what the loop is changing. To look and to change has "
            "to be one step for the others.",
        )


# -- what it costs ------------------------------------------------------------


def held(thing: object) -> int:
    """How many references to something there are in it, and in what it consists of."""
    count, seen, todo = 0, set(), [thing]
    while todo:
        one = todo.pop()
        if id(one) not in seen and not isinstance(
            one, type | types.ModuleType | types.FunctionType | types.MethodType
        ):
            seen.add(id(one))
            inside = gc.get_referents(one)
            count += len(inside)
            todo += inside
    return count


def test_forgets(exercise: Answer) -> None:
    """Nothing is kept of what has been taken."""
    in_order = exercise.InOrder(2, nothing)
    sizes = []
    for number in range(2000):
        for answer, ticket in enumerate([in_order.begin(), in_order.begin()]):
            in_order.finish(ticket, b"%d of round %d" % (answer, number))
        in_order.take()
        if number in (9, 1999):
            sizes.append(held(in_order))
    check(
        sizes[1] <= sizes[0] + 10,
        called="begin(), finish() and take(), two requests at a time",
        came_back=f"{sizes[0]} references held after 20 requests, {sizes[1]} after "
        "4000",
        expected="as many",
        why="A connection may be kept for days. What grows with each request, be it a "
        "list of tickets that were finished, uses up the memory in the end.",
    )


class Steps:
    """Counts the steps that the answer's code takes, and what it asks min() about."""

    def __init__(self, exercise: Answer) -> None:
        self.path = str(exercise.__file__)
        self.count = 0
        # A name in a module is found before the built-in one.
        for look in (min, max, sorted):
            setattr(exercise, look.__name__, self.counted(look))

    def counted(self, look: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*things: Any, **options: Any) -> Any:
            if len(things) == 1:
                things = (list(things[0]),)
                self.count += len(things[0])
            return look(*things, **options)

        return counting

    def trace(self, frame: types.FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != self.path:
            return None
        frame.f_trace_opcodes = True
        self.count += 1
        return self.trace

    def of(self, call: Callable[[], object]) -> int:
        self.count = 0
        with traced(self.trace):
            call()
        return self.count


def test_cost(exercise: Answer) -> None:
    """take() does not look through all that wait."""
    steps = Steps(exercise)
    why = (
        "The loop takes answers in each round. If it looks through all that wait each "
        "time, the clients that send the most make everything slow."
    )
    costs = []
    with within(
        3, exercise, called="finish() of 1000 requests", expected="it returns", why=why
    ):
        for count in (10, 1000):
            in_order, tickets = begun(exercise, count)
            for ticket in tickets[2:]:
                in_order.finish(ticket, b"a")
            nothing_yet = steps.of(in_order.take)
            in_order.finish(tickets[0], b"a")
            costs.append((nothing_yet, steps.of(in_order.take)))
    for number, gives in enumerate(("nothing", "one answer")):
        few, many = costs[0][number], costs[1][number]
        check(
            many < few + 100,
            called=f"take() where it gives {gives}, and others wait",
            came_back=f"{few} steps where 8 wait, {many} where 998 wait",
            expected="as many steps",
            why=why,
        )


#: How many times as long take() may need where 100 000 wait as where 100 do. What
#: copies or moves them all needs more than fifty times as long.
FACTOR = 12


def least_ns(call: Callable[[], object], prepare: Callable[[], object]) -> int:
    """The least that a call takes, of twenty; others may want the processor."""
    least = []
    for _ in range(20):
        prepare()
        before = time.perf_counter_ns()
        call()
        least.append(time.perf_counter_ns() - before)
    return min(least)


def finish_next(in_order: Any, tickets: Iterator[int]) -> None:
    in_order.finish(next(tickets), b"a")


def test_moves_nothing(exercise: Answer) -> None:
    """take() neither copies nor moves those that wait."""
    costs = []
    for count in (100, 100_000):
        called = f"begin() and finish() of {count} requests"
        why = "Each request costs as much as all that are under way."
        with within(4, exercise, called=called, expected="they return", why=why):
            in_order, tickets = begun(exercise, count)
            for ticket in tickets[30:]:
                in_order.finish(ticket, b"a")
        costs.append(
            (
                least_ns(in_order.take, nothing),
                least_ns(
                    in_order.take,
                    functools.partial(finish_next, in_order, iter(tickets)),
                ),
            )
        )
    for number, gives in enumerate(("nothing", "one answer")):
        few, many = costs[0][number], costs[1][number]
        check(
            many < FACTOR * few,
            called=f"take() where it gives {gives}, and 100 000 wait",
            came_back=f"it takes {many // max(few, 1)} times as long as where 100 wait",
            expected="about as long",
            why="A copy of those that wait is a look at each of them, however short "
            "its line: dict(…), line[n:]. And to remove the first of a list moves all "
            "the others up.",
        )
