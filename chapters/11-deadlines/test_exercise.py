"""Checks chapters/11-deadlines/exercise.py.

The starter is told: a byte now and then
"""

import gc
import time
import tracemalloc
import types
from collections.abc import Callable
from typing import Any

from workshop import Answer, check, within

TIMEOUT_S = 10.0


class Work:
    """Counts what is done with keys and with times, whoever does it."""

    done = 0


class Seconds(float):
    """A time that counts how often it is compared or reckoned with."""

    def __add__(self, other: float) -> "Seconds":
        Work.done += 1
        return Seconds(float(self) + float(other))

    def __sub__(self, other: float) -> "Seconds":
        Work.done += 1
        return Seconds(float(self) - float(other))

    def __lt__(self, other: float) -> bool:
        Work.done += 1
        return float(self) < float(other)

    def __le__(self, other: float) -> bool:
        Work.done += 1
        return float(self) <= float(other)

    def __gt__(self, other: float) -> bool:
        return not self <= other

    def __ge__(self, other: float) -> bool:
        return not self < other

    __radd__ = __add__
    __hash__ = float.__hash__

    def __rsub__(self, other: float) -> "Seconds":
        return Seconds(other) - self

    def __eq__(self, other: object) -> bool:
        Work.done += 1
        return float(self) == other

    def __repr__(self) -> str:
        return float.__repr__(self)


class Key:
    """Stands for a connection; counts how often it is looked up or compared."""

    def __init__(self, name: object) -> None:
        self.name = name

    def __hash__(self) -> int:
        Work.done += 1
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        Work.done += 1
        return self is other

    def __lt__(self, other: object) -> bool:
        raise TypeError(
            f"{self} < {other}: two keys cannot be put in an order. A tuple or a heap "
            "compares the keys where two deadlines are the same"
        )

    def __repr__(self) -> str:
        return str(self.name)


class Clock:
    """Is turned by hand, and counts how often it is asked."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        Work.done += 1
        return Seconds(self.now)


A, B, C, D, E = (Key(name) for name in "ABCDE")


class Story:
    """Deadlines of ten seconds, what has been done with them, and when."""

    def __init__(self, exercise: Answer) -> None:
        self.exercise = exercise
        self.clock = Clock()
        self.deadlines = exercise.Deadlines(TIMEOUT_S, self.clock)
        self.told: list[str] = []

    def at(self, now: float) -> "Story":
        self.clock.now = now
        self.told.append(f"at {now:g}")
        return self

    def set(self, *keys: object) -> "Story":
        return self._each("set", keys)

    def restart(self, *keys: object) -> "Story":
        return self._each("restart", keys)

    def cancel(self, *keys: object) -> "Story":
        return self._each("cancel", keys)

    def _each(self, name: str, keys: tuple[object, ...]) -> "Story":
        for key in keys:
            getattr(self.deadlines, name)(key)
            self.told.append(f"{name}({key})")
        return self

    def expired(
        self, expected: list[Any], why: str | Callable[[list[Any]], str]
    ) -> "Story":
        """Check what list(expired()) gives now. why: or what says it of what came."""
        self.told.append("list(expired())")
        came_back: list[Any] = []
        with within(
            2,
            self.exercise,
            called=self.called,
            expected=expected,
            why="expired() looks who is late. It is the selector that waits, for "
            "next_due() seconds, and for the other clients meanwhile.",
        ):
            # An answer that never stops giving is stopped.
            for key, _ in zip(self.deadlines.expired(), range(20), strict=False):
                came_back.append(key)
        check(
            came_back == expected,
            called=self.called,
            came_back=came_back,
            expected=expected,
            why=why if isinstance(why, str) else why(came_back),
        )
        return self

    def next_due(self, expected: float | None, why: str) -> "Story":
        self.told.append("next_due()")
        asked = self.clock.asked
        came_back = self.deadlines.next_due()
        if expected and came_back is not None and self.clock.asked == asked:
            why = (
                "The clock was not asked. How long there is to sleep depends on what "
                "time it is now, by the one clock there is."
            )
        check(
            came_back == expected,
            called=self.called,
            came_back=came_back,
            expected=expected,
            why=why,
        )
        return self

    @property
    def called(self) -> str:
        return f"Deadlines(timeout_s={TIMEOUT_S:g}): " + ", ".join(self.told)


def test_time_is_over(exercise: Answer) -> None:
    """A key is given when its time is over, not earlier and not later."""
    story = Story(exercise).at(100).set(A).at(109.75)
    story.expired([], "A client is cut off that had time left.")
    story.at(110).expired(
        [A],
        lambda _: (
            "A deadline has come when the clock shows it, as next_due() says: 0 "
            "seconds. With > in place of >= the loop does not sleep, finds nobody "
            "late, and does so again, at 100 % CPU."
            if story.clock.asked
            else "The clock was not asked. With a clock of its own a server cannot be "
            "tested but by waiting, and what shows the time of day goes back when "
            "somebody sets it."
        ),
    )


def test_another_byte(exercise: Answer) -> None:
    """One more byte does not earn more time."""
    story = Story(exercise).at(100).set(A).at(109).set(A).at(110)
    story.expired(
        [A],
        "If every byte moves the deadline, a byte now and then keeps a request that "
        "never ends for ever, and the descriptor with it.",
    )
    story = Story(exercise).at(100).set(A).at(115).set(A)
    story.expired(
        [A],
        "A deadline that has passed stays as well, until expired() gives its key. A "
        "byte that comes while the loop is busy would save a late client.",
    )


def test_restart(exercise: Answer) -> None:
    """A new request has its own time, and its own place in the order."""
    story = Story(exercise).at(100).set(A).at(109).restart(A).at(110)
    story.expired(
        [],
        "The new request gets what the first one has left over. A connection that is "
        "kept, and is in good order, is closed in the middle of it.",
    )
    story.at(119).expired([A], "The new request has a deadline, too.")
    Story(exercise).at(100).restart(A).at(110).expired(
        [A], "A connection's first request is a new one, too."
    )
    story = Story(exercise).at(100).set(A).at(101).set(B).at(102).restart(A).at(111)
    story.expired(
        [B],
        "B is late, and A is not. If A keeps the place in front that it had before "
        "restart(), B stands behind it and is not looked at.",
    )


def test_order(exercise: Answer) -> None:
    """The earliest is given first, and each key once."""
    story = Story(exercise).at(100).set(B, D).at(101).set(A).at(102).set(C, B)
    story.at(103).restart(D).at(200).expired(
        [B, A, C, D],
        "Who has waited longest is dealt with first. The order that counts is that of "
        "the deadlines: B had its own before its second set(), D has a new one.",
    )
    story.expired(
        [],
        "A key that is given again and again is closed again and again: when its "
        "descriptor's number has a new owner, it is the new owner who is cut off.",
    )
    story.set(A).at(209.75).expired([], "The key is new again, with all of its time.")
    story.at(210).expired([A], "A key that was given may have a deadline again.")


def test_same_deadline(exercise: Answer) -> None:
    """Of those with the same deadline, the one first that had it first."""
    story = (
        Story(exercise)
        .at(100)
        .set(C, A, B)
        .at(110)
        .expired(
            [C, A, B],
            "All three have the same deadline. The one that had it first has waited "
            "longest in the queue, and is dealt with first.",
        )
    )
    story.set(A, B, C).restart(A).at(120).expired(
        [B, C, A],
        "restart() sets a deadline, too: A has had its own for the shortest time, even "
        "if the clock has stood still and it is the same as before.",
    )


def test_two(exercise: Answer) -> None:
    """Two Deadlines have nothing to do with each other."""
    clock = Clock()
    headers, idle = exercise.Deadlines(2.5, clock), exercise.Deadlines(30.0, clock)
    headers.set(A)
    came_back = headers.next_due(), idle.next_due()
    check(
        came_back == (2.5, None),
        called="next_due() of Deadlines(2.5, clock), with a key, and of "
        "Deadlines(30, clock), without one",
        came_back=came_back,
        expected=(2.5, None),
        why="Each has a time and keys of its own. What stands in the class itself is "
        "shared by all of them.",
    )


def test_cancel(exercise: Answer) -> None:
    """A key that is cancelled has no deadline."""
    story = Story(exercise).at(100)
    error: object = None
    try:
        story.cancel(A)
    except KeyError as raised:
        error = raised
    check(
        error is None,
        called="cancel(A), where A has no deadline",
        came_back=error,
        expected="nothing happens",
        why="Whoever closes a connection cancels its deadline, and does not know "
        "whether it has one. An exception there ends the loop, for all of them.",
    )
    story.set(A, B, C).cancel(B, B).at(110)
    story.expired(
        [A, C],
        "B was closed, or has its answer. What is done to it now is done to whoever "
        "has its descriptor's number.",
    )
    story = Story(exercise).at(100).set(A).at(104).cancel(A).set(A).at(110)
    story.expired([], "After cancel(), set() is the first byte of something new.")
    story.at(114).expired([A], "After cancel(), it may have a deadline again.")


def test_next_due(exercise: Answer) -> None:
    """The selector is told how long it may sleep."""
    story = Story(exercise).at(100)
    forever = "Without a deadline the selector may sleep for ever, which is None."
    late = "If the selector sleeps longer, the first is found late."
    story.next_due(None, forever).set(A).next_due(10.0, late)
    story.at(102.5).set(B).set(A).next_due(7.5, late)
    story.cancel(A).next_due(10.0, "A, which is cancelled, wakes the loop for nothing.")
    story.at(112.5).next_due(
        0.0,
        "The deadline has come: there is nothing to wait for. next_due() only looks; "
        "it is expired() that gives B, and takes its deadline.",
    )
    story.at(113).next_due(
        0.0,
        "It is not negative: select.poll() takes less than 0 for ever, and "
        "select.select() raises ValueError.",
    )
    story.expired([B], "B is late.").next_due(None, forever)


def test_zero(exercise: Answer) -> None:
    """A key that is false is a key, and 0 is a time like any other."""
    for key in (0, "", ()):
        Story(exercise).at(100).next_due(None, "There is no key.").set(key).next_due(
            10.0,
            f"{key!r} is false for `if`, and is a key all the same: descriptor 0 is "
            "one. Ask `is None`, `in` or the length.",
        ).at(110).expired(
            [key],
            f"{key!r} is false for `if`, and is a key all the same: descriptor 0 is "
            "one. Ask `is None`, `in` or the length.",
        )
    Story(exercise).at(-10).set(A).at(-5).set(A).next_due(
        5.0,
        "The deadline is 0, which is false for `if`, and is a deadline all the same. "
        "Where a clock begins to count is its own affair.",
    ).at(0).next_due(0.0, "The deadline is 0, and has come.").expired(
        [A], "The deadline is 0, and has come."
    )


def test_inside_the_loop(exercise: Answer) -> None:
    """Who is told of a late key may change the others."""
    story = Story(exercise).at(100).set(A, B, C, D, E).at(111)
    called = (
        story.called + "; then for key in expired(): at A, set(A), cancel(B), "
        "restart(C), cancel(D), set(D) and at 130"
    )
    given: list[Key] = []
    came_back: object = given
    try:
        for key in story.deadlines.expired():
            given.append(key)
            if key is A:
                story.deadlines.set(A)
                story.deadlines.cancel(B)
                story.deadlines.restart(C)
                story.deadlines.cancel(D)
                story.deadlines.set(D)
                # What the loop does with a late key takes time.
                story.clock.now = 130.0
            if len(given) > 5:
                break
    except (RuntimeError, KeyError) as error:
        came_back = error
    if not isinstance(came_back, list):
        why = (
            "A dict must not change while one walks through it. To deal with a late "
            "client is to close it, and to cancel its deadline."
            if isinstance(came_back, RuntimeError)
            else "A list that was made at the beginning does not know who was "
            "cancelled meanwhile."
        )
    elif B in given:
        why = (
            "B was cancelled before its turn: the loop has closed it. A list that was "
            "made at the beginning does not know."
        )
    elif given.count(A) > 1:
        why = (
            "A has a deadline anew, which had not come when the loop began. If the "
            "clock is asked again for each key, a loop that is slow never ends."
        )
    elif C in given or D in given:
        why = (
            "C was restarted before its turn, and D cancelled and set: both have a "
            "deadline, but a new one, which has not come. To ask whether a key has a "
            "deadline is not enough."
        )
    else:
        why = "E was late when the loop began, and nobody has changed that."
    check(
        came_back == [A, E],
        called=called,
        came_back=came_back,
        expected=[A, E],
        why=why,
    )
    story.told.append("(the loop over expired(), as above)")
    story.expired(
        [A, C, D],
        "A, C and D got new deadlines in the loop, which have come by now. What stands "
        "behind `yield` is done when the loop asks for the next key: a key that is "
        "removed only there loses the deadline that it got meanwhile.",
    )


def test_left_early(exercise: Answer) -> None:
    """Who leaves the loop early gets the others the next time."""
    story = Story(exercise).at(100).set(A, B, C).at(111)
    for _ in story.deadlines.expired():
        break
    story.told.append("for key in expired(): break")
    story.expired(
        [B, C],
        "A thousand late clients at once would keep the others waiting, so the loop "
        "takes a few in each round. If a key loses its deadline before it is given, "
        "those that were not taken are never closed. If it loses it only after that, "
        "the last one is given twice.",
    )


# -- what it costs ------------------------------------------------------------


def many(exercise: Answer, count: int) -> tuple[Any, Clock, list[Key]]:
    """Deadlines of so many keys, a 1024th of a second apart; none has come."""
    clock, keys = Clock(), [Key(number) for number in range(count)]
    deadlines = exercise.Deadlines(TIMEOUT_S, clock)
    with within(
        2,
        exercise,
        called=f"set() of {count} keys",
        expected="it returns",
        why="The cost of set() grows with the number of keys.",
    ):
        for key in keys:
            deadlines.set(key)
            clock.now += 1 / 1024
    return deadlines, clock, keys


def test_cost(exercise: Answer) -> None:
    """Ten thousand keys cost no more than ten."""
    operations: dict[str, Callable[[Any, Clock, list[Key]], object]] = {
        "expired(), where no deadline has come": lambda d, c, k: list(d.expired()),
        "next_due()": lambda d, c, k: d.next_due(),
        "set() of a new key": lambda d, c, k: d.set(A),
        "set() of a key that has a deadline": lambda d, c, k: d.set(k[5]),
        "restart() of the first key": lambda d, c, k: d.restart(k[0]),
        "restart() of a key in the middle": lambda d, c, k: d.restart(k[5]),
        "cancel() of a key in the middle": lambda d, c, k: d.cancel(k[len(k) // 2]),
        "expired(), where three deadlines have come": expire_three,
        "expired(), left after the first key, where all have come": expire_all,
    }
    costs: dict[str, list[int]] = {name: [] for name in operations}
    for count in (10, 10_000):
        deadlines, clock, keys = many(exercise, count)
        for name, operation in operations.items():
            Work.done = 0
            operation(deadlines, clock, keys)
            costs[name].append(Work.done)
    for name, (few, plenty) in costs.items():
        check(
            plenty <= few + 4,
            called=name,
            came_back=f"keys, times and the clock were asked {few} times where there "
            f"are 10 keys, and {plenty} times where there are 10 000",
            expected="as many times",
            why="It grows slowly, as the cost of a heap or a bisection does. But "
            "nothing comes out of order here: all keys have the same time."
            if plenty < 1000
            else "The loop does this in each round. If it looks at all, connections "
            "that do nothing slow down all the others."
            if name.startswith(("expired", "next_due"))
            else "This is done with each request. If others have to be moved or "
            "searched for it, connections that do nothing slow down all requests.",
        )


def expire_three(deadlines: Any, clock: Clock, keys: list[Key]) -> None:
    clock.now = 100.0 + TIMEOUT_S + 3 / 1024
    list(deadlines.expired())


def expire_all(deadlines: Any, clock: Clock, keys: list[Key]) -> None:
    clock.now = 1000.0
    next(iter(deadlines.expired()))


def test_copies_nothing(exercise: Answer) -> None:
    """Nothing is copied to look who is late."""
    operations: dict[str, Callable[[Any], object]] = {
        "expired(), where no deadline has come": lambda d: list(d.expired()),
        "next_due()": lambda d: d.next_due(),
    }
    deadlines, _, _ = many(exercise, 10_000)
    for name, operation in operations.items():
        tracemalloc.start()
        operation(deadlines)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        check(
            most < 20_000,
            called=f"{name}, with 10 000 keys",
            came_back=f"it needed {most} bytes meanwhile",
            expected="a few",
            why="A copy of all keys is a walk through all keys, in each round of the "
            "loop, even if only the first of them is looked at.",
        )


def least_ns(call: Callable[[], object]) -> int:
    """The least that a call takes, of thirty; others may want the processor."""
    least = []
    for _ in range(30):
        before = time.perf_counter_ns()
        call()
        least.append(time.perf_counter_ns() - before)
    return min(least)


#: How many times as long a call may take with 100 000 keys as with 100. One that steps
#: over all, or moves all, takes more than fifty times as long.
FACTOR = 12


def least_times(exercise: Answer, count: int) -> tuple[int, int]:
    """What expired() takes for one of so many keys, and next_due() when few are left.

    In nanoseconds.
    """
    now = 0.0

    def expire_one() -> None:
        nonlocal now
        now += 1.0
        list(deadlines.expired())

    deadlines = exercise.Deadlines(1e6, lambda: now)
    with within(
        4,
        exercise,
        called=f"set() of {count} keys, and cancel() of all but a few",
        expected="it returns",
        why="The cost of set() or cancel() grows with the number of keys.",
    ):
        for key in range(count):
            now = float(key)
            deadlines.set(key)
        now = 1e6 - 1
        one = least_ns(expire_one)
        for key in range(count - 5):
            deadlines.cancel(key)
        return one, least_ns(deadlines.next_due)


def test_moves_nothing(exercise: Answer) -> None:
    """No other key is moved or stepped over, nor the place where one was."""
    few, many = least_times(exercise, 100), least_times(exercise, 100_000)
    for number, (called, why) in enumerate(
        (
            (
                "expired() of one key, where there are 100 000",
                "A list has no gap in front: pop(0) moves all the others by one place.",
            ),
            (
                "next_due() where 100 000 keys were set and 5 are left",
                "To find its first key, a dict steps over the holes that all those "
                "before it have left, in each round of the loop.",
            ),
        )
    ):
        check(
            many[number] < FACTOR * few[number],
            called=called,
            came_back=f"it took {many[number] // max(few[number], 1)} times as long as "
            "with 100",
            expected="about as long",
            why=why,
        )


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
    """What has no deadline any more is not kept."""

    def cancelled(deadlines: Any) -> None:
        key = Key("short")
        deadlines.set(key)
        deadlines.cancel(key)

    def restarted(deadlines: Any) -> None:
        key = Key("new")
        deadlines.restart(key)
        deadlines.set(key)
        deadlines.cancel(key)

    for name, again in (
        ("set() and cancel() of a key", cancelled),
        ("restart() of the same key", lambda deadlines: deadlines.restart(A)),
        ("restart(), set() and cancel() of a new key", restarted),
    ):
        deadlines = exercise.Deadlines(TIMEOUT_S, Clock())
        deadlines.set(B)
        again(deadlines)
        before = held(deadlines)
        for _ in range(1000):
            again(deadlines)
        after = held(deadlines)
        check(
            after < before + 100,
            called=f"{name}, a thousand times, while the clock stands still",
            came_back=f"{before} references held after the first time, {after} after "
            "a thousand more",
            expected="as many",
            why="A client makes thousands of requests in the time that a deadline has. "
            "What was cancelled or moved, and is kept until its time would have come, "
            "piles up: it is memory that a client can order.",
        )
    clock = Clock()
    deadlines = exercise.Deadlines(TIMEOUT_S, clock)
    sizes = []
    for number in range(1010):
        deadlines.set(Key("late"))
        clock.now += TIMEOUT_S
        list(deadlines.expired())
        if number in (9, 1009):
            sizes.append(held(deadlines))
    check(
        sizes[1] < sizes[0] + 100,
        called="set() of a new key, which expired() then gives, a thousand times",
        came_back=f"{sizes[0]} references held after ten times, {sizes[1]} after a "
        "thousand more",
        expected="as many",
        why="A key that was given has no deadline any more. A server meets millions.",
    )
