"""Checks chapters/12-a-server-to-keep/exercise.py.

The starter is told: Only an answer can tell a client

The checks go through all short sequences of what can happen to a server with two
connections, and compare what a Drain says after each event with the rules. Of the
sequences that show a mistake, the shortest is told.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from workshop import Answer, check, within
from workshop.answer import line_in

GRACE_S = 15.0
PATIENCE_S = 10.0
#: What passes at a time: until a limit is met to the second, or jumped over.
WAITS_S = (5.0, 12.0)
#: The same where nobody asks meanwhile. No sum of them meets a limit to the second.
UNASKED_S = (14.9, 0.2)
#: Between two events before the first signal. A server runs for long.
LONG_S = 3600.0
LEADS_TO = {
    "opened": "idle",
    "arriving": "arriving",
    "request": "busy",
    "answered": "idle",
}


class Event(NamedTuple):
    """A call of a Drain's method; or "time" passes."""

    kind: str
    connection: int | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.kind == "time":
            return f"{self.seconds:g} s pass"
        return f"{self.kind}({'' if self.connection is None else self.connection})"


class Moment(NamedTuple):
    """A server after some events, and what the rules say then."""

    states: tuple[tuple[int, str], ...] = ()  # of the connections that are open
    signals: int = 0
    waited_s: float = 0.0  # since the first signal
    ended_before: str | None = None

    @property
    def ended(self) -> str | None:
        if self.ended_before or not self.signals:
            return self.ended_before
        if not self.states:
            return "drained"
        if self.signals > 1:
            return "forced"
        return "late" if self.waited_s >= GRACE_S else None

    @property
    def to_close(self) -> set[int]:
        if not self.signals:
            return set()
        waited_for = {"busy"} | ({"arriving"} if self.waited_s < PATIENCE_S else set())
        return {c for c, state in self.states if self.ended or state not in waited_for}

    def events(self, is_asked: bool) -> Iterator[Event]:
        """What can happen next. is_asked: and what is to be closed has been."""
        if self.to_close and is_asked:
            yield Event("closed", min(self.to_close))
            return
        states = dict(self.states)
        for connection in (7, 8):
            state = states.get(connection)
            if state is None:
                # The second is like the first, so it comes only beside the first.
                if not self.signals and (connection == 7 or 7 in states):
                    yield Event("opened", connection)
                continue
            if state == "busy":
                yield Event("answered", connection)
            else:
                yield Event("arriving", connection)
                yield Event("request", connection)
            yield Event("closed", connection)
        if self.signals and not (self.ended and is_asked):
            for seconds in WAITS_S if is_asked else UNASKED_S:
                yield Event("time", seconds=seconds)
        yield Event("signal")

    def after(self, event: Event) -> "Moment":
        states = dict(self.states)
        signals, waited_s = self.signals, self.waited_s + event.seconds
        if event.kind == "signal":
            signals += 1
        elif event.connection is not None:
            states.pop(event.connection, None)
            if event.kind != "closed":
                states[event.connection] = LEADS_TO[event.kind]
        return Moment(tuple(sorted(states.items())), signals, waited_s, self.ended)


Sequence = tuple[tuple[Event, Moment], ...]


@functools.cache
def sequences(before: int, after: int, is_asked: bool = True) -> list[Sequence]:
    """All, with so many events at most before the first signal, and from it on.

    is_asked: after each event. Then those that another one begins with are left out.
    """
    found = []

    def go_on(sequence: Sequence, moment: Moment, before: int, after: int) -> None:
        is_longer = False
        for event in moment.events(is_asked):
            is_before = not moment.signals and event.kind != "signal"
            if (before if is_before else after) > 0:
                is_longer = True
                then = moment.after(event)
                longer = (*sequence, (event, then))
                go_on(longer, then, before - is_before, after - (not is_before))
        if sequence and not (is_longer and is_asked):
            found.append(sequence)

    go_on((), Moment(), before, after)
    return found


class Said(NamedTuple):
    """What a Drain answers."""

    may_accept: bool
    answers_say_close: bool
    to_close: set[int]
    ended: object
    again: Callable[[], "Said"]

    def wrongly_open(self, moment: Moment, state: str) -> set[int]:
        """Those in that state which it ought to close, and does not."""
        return {
            c for c in moment.to_close - self.to_close if (c, state) in moment.states
        }

    def wrongly_closed(self, moment: Moment, state: str) -> set[int]:
        """Those in that state which it closes, and ought not to."""
        return {
            c for c in self.to_close - moment.to_close if (c, state) in moment.states
        }


class Found(NamedTuple):
    """A mistake."""

    asked: str
    came_back: object
    expected: object
    why: str


#: Given what has happened, the state of the server then, and what the Drain says.
Judge = Callable[[list[Event], Moment, Said], Iterator[Found]]


def ask(drain: Any) -> Said:
    to_close = drain.to_close()
    return Said(
        bool(drain.may_accept()),
        bool(drain.answers_say_close()),
        # A copy: what becomes of it later is another question.
        set(to_close) if isinstance(to_close, set | frozenset) else to_close,
        drain.ended(),
        lambda: ask(drain),
    )


def first_mistake(
    exercise: Answer, sequence: Sequence, judge: Judge, is_asked: bool
) -> tuple[list[Event], Found] | None:
    """Tell a Drain of these events, ask it after each, and judge what it says.

    is_asked: if not, it is asked after the last one only.
    """
    now = 1000.0
    events: list[Event] = []
    try:
        drain = exercise.Drain(GRACE_S, PATIENCE_S, lambda: now)
        for event, moment in sequence:
            events.append(event)
            now += event.seconds if moment.signals else LONG_S
            if event.connection is not None:
                getattr(drain, event.kind)(event.connection)
            elif event.kind == "signal":
                drain.signal()
            if not is_asked and len(events) < len(sequence):
                continue
            said = ask(drain)
            if not isinstance(said.to_close, set):
                why = "The server has to know which ones, and it may be none."
                return events, Found("to_close()", said.to_close, "a set", why)
            for found in judge(events, moment, said):
                return events, found
    except Exception as error:
        where = line_in(Path(str(exercise.__file__)), error.__traceback__)
        raised = f"{type(error).__name__}: {error}\n{where}"
        why = "Each event is one that can happen then, and each question may be asked."
        return events, Found("the questions", raised, "an answer to each", why)
    return None


def go_through(
    exercise: Answer, before: int, after: int, judge: Judge, is_asked: bool = True
) -> None:
    """Complain of the shortest sequence that shows a mistake."""
    settings = f"Drain(grace_s={GRACE_S:g}, patience_s={PATIENCE_S:g}, clock)"
    with within(
        4,
        exercise,
        called=f"{settings}, and its methods",
        expected="an answer at once",
        why="They are called in the server's loop: while one waits, nobody is served.",
    ):
        found = [
            mistake
            for sequence in sequences(before, after, is_asked)
            if (mistake := first_mistake(exercise, sequence, judge, is_asked))
        ]
    if found:
        events, shortest = min(found, key=lambda each: len(each[0]))
        check(
            False,
            called=f"{shortest.asked} of a {settings} after\n"
            + ("" if is_asked else "(and it was asked nothing before) ")
            + ", ".join(str(event) for event in events),
            came_back=shortest.came_back,
            expected=shortest.expected,
            why=shortest.why,
        )


def since_signal(events: list[Event]) -> list[Event]:
    return events[events.index(Event("signal")) + 1 :]


def test_before_the_signal(exercise: Answer) -> None:
    """Before the first signal nothing is refused, and nothing ends (rule 1)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if not said.may_accept:
            why = "Without a signal this is a server like any other."
            yield Found("may_accept()", False, True, why)
        if said.answers_say_close:
            why = "Keep-alive would end with each answer, and nobody asked for that."
            yield Found("answers_say_close()", True, False, why)
        if said.to_close != set():
            why = "Before the signal an idle connection is kept. That is keep-alive."
            yield Found("to_close()", said.to_close, set(), why)
        if said.ended is not None:
            why = (
                "A server that has no client at the moment waits for the next one. "
                "Only a signal lets it end, however long that takes."
            )
            yield Found("ended()", said.ended, None, why)

    go_through(exercise, 5, 0, judge)


def test_accepts_no_more(exercise: Answer) -> None:
    """From the first signal on it accepts nobody (rule 2)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.signals and said.may_accept:
            why = (
                "New clients come as fast as the old ones go, so a server that goes on "
                "accepting is never drained. Turned away, they find another server."
            )
            yield Found("may_accept()", True, False, why)

    go_through(exercise, 3, 4, judge)


def test_answers_say_close(exercise: Answer) -> None:
    """From the first signal on, answers say `Connection: close` (rule 3)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.signals and not said.answers_say_close:
            why = (
                "Only an answer can tell a client that this was the last one. A client "
                "that is not told may send the next request at the very moment when "
                "the connection is closed, and cannot know whether it was served."
            )
            yield Found("answers_say_close()", False, True, why)

    go_through(exercise, 3, 4, judge)


def test_asking_twice(exercise: Answer) -> None:
    """A question may be asked twice."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        again = said.again()
        for first, second, name in zip(said[:4], again[:4], Said._fields, strict=False):
            if first != second:
                why = (
                    "The loop asks in each round. What a question takes away when it "
                    "is asked, such as a connection that is not closed yet, is "
                    "forgotten."
                )
                yield Found(f"{name}() once more", second, first, why)

    go_through(exercise, 3, 4, judge)


def test_idle(exercise: Answer) -> None:
    """From the first signal on, an idle connection is closed at once (rule 4)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if not moment.signals or moment.ended:
            return
        for connection in said.wrongly_open(moment, "idle"):
            why = (
                "An idle client may stay for an hour without a word, and has begun "
                "nothing. These rules close it at once, as a drain that waits for the "
                "idle may wait for ever. (Step 12 gives it half a second first.)"
            )
            if Event("answered", connection) in since_signal(events):
                why = (
                    "Its answer was the last one. A connection that is kept alive "
                    "after it has a next request, and one after that: it never ends."
                )
            yield Found("to_close()", said.to_close, moment.to_close, why)
        if said.to_close - dict(moment.states).keys():
            why = (
                "What is not open cannot be closed. Its number may be given to "
                "something else by now, and then that is closed."
            )
            yield Found("to_close()", said.to_close, moment.to_close, why)

    go_through(exercise, 4, 3, judge)


def test_busy(exercise: Answer) -> None:
    """A request that has come is answered (rule 5)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if not said.ended and said.wrongly_closed(moment, "busy"):
            why = (
                "A request is under way. If its connection is closed, the client "
                "cannot know whether it was done, and may not repeat it: think of a "
                "payment."
            )
            yield Found("to_close()", said.to_close, moment.to_close, why)

    go_through(exercise, 4, 3, judge)


def test_arriving(exercise: Answer) -> None:
    """A request that is arriving is waited for, and not for ever (rule 6)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if not said.ended and said.wrongly_closed(moment, "arriving"):
            why = (
                "Its client is in the midst of sending, and the last piece may come in "
                "a moment. A request that has begun is not an idle connection; and its "
                "time is counted from the signal, however long it has been arriving."
            )
            yield Found("to_close()", said.to_close, moment.to_close, why)
        if not moment.ended and said.wrongly_open(moment, "arriving"):
            why = (
                "The rest may never come. A client that stops half-way through its "
                "request, by ill will or by a broken network, would hold the server."
            )
            if any(event.kind == "arriving" for event in since_signal(events)):
                why = (
                    "A client that sends a byte now and then would always earn more "
                    "time. The patience is counted from the signal, whatever pieces "
                    "come."
                )
            yield Found("to_close()", said.to_close, moment.to_close, why)

    go_through(exercise, 3, 5, judge)


def test_drained(exercise: Answer) -> None:
    """It ends as soon as the last connection is closed, and no sooner (rule 7)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        ends = moment.ended == "drained" and not moment.ended_before
        if ends and since_signal(events) and said.ended is None:
            gone = events[-1].connection
            if [e.kind for e in events if e.connection == gone][-2] == "request":
                why = (
                    "A request whose client has gone is under way no more: nobody will "
                    "tell that it is answered. A count of requests that does not see "
                    "this never comes to zero."
                )
            else:
                why = (
                    "The last connection is closed, so all is done. The grace is how "
                    "long a drain may take, not how long it takes: somebody waits for "
                    "it with each release."
                )
            yield Found("ended()", said.ended, "drained", why)
        elif not moment.ended and said.ended == "drained":
            why = (
                "A connection is open. A server that ends now cuts its client off, and "
                "says that all is well."
            )
            yield Found("ended()", said.ended, None, why)

    go_through(exercise, 4, 3, judge)


def test_nothing_under_way(exercise: Answer) -> None:
    """With nothing under way it ends at the signal (rule 7)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.ended and not since_signal(events) and said.ended != "drained":
            why = (
                "Nothing is open, so nothing is left to happen: no closed() will come. "
                "A drain that ends in closed() only never ends here."
            )
            yield Found("ended()", said.ended, "drained", why)

    go_through(exercise, 5, 1, judge)


def test_late(exercise: Answer) -> None:
    """It ends when the grace has passed since the first signal (rule 8)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.ended == "late" != said.ended and not moment.ended_before:
            why = (
                "A handler that hangs would hold the server for ever. Whoever sent the "
                "signal waits so long, and then kills the process."
            )
            if any(event.kind != "time" for event in since_signal(events)):
                why = (
                    "The grace is counted from the first signal. If each event begins "
                    "it anew, busy clients keep the server, until somebody kills it."
                )
            yield Found("ended()", said.ended, "late", why)
        elif not moment.ended and said.ended == "late":
            why = (
                f"{moment.waited_s:g} s have passed since the signal, and {GRACE_S:g} "
                "are allowed. Before the signal no time counts."
            )
            yield Found("ended()", said.ended, None, why)

    go_through(exercise, 3, 6, judge)


def test_forced(exercise: Answer) -> None:
    """A second signal ends it at once (rule 9)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.ended == "forced" != said.ended and not moment.ended_before:
            why = (
                "Somebody has pressed Ctrl-C twice and does not want to wait. If the "
                "second signal does nothing, or is taken for a first one, SIGKILL "
                "comes next, and no log is written."
            )
            yield Found("ended()", said.ended, "forced", why)
        elif not moment.ended and said.ended is not None:
            why = (
                "Nothing has ended it yet: a connection is open, the grace has not "
                "passed, and there was one signal."
            )
            yield Found("ended()", said.ended, None, why)

    go_through(exercise, 4, 3, judge)


def test_after_the_end(exercise: Answer) -> None:
    """After the end the rest is closed, and how it ended stays (rule 10)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.ended and said.to_close != moment.to_close:
            why = (
                "It is over: what is open now is cut off, in whatever state it is. A "
                "connection that is forgotten here is open for as long as the process."
            )
            yield Found("to_close()", said.to_close, moment.to_close, why)
        if moment.ended and said.ended != moment.ended:
            why = (
                "What happens after the end is the cleaning up. If it changes how the "
                "drain ended, clients are cut off, and the log says that all was "
                "well."
            )
            yield Found("ended()", said.ended, moment.ended, why)

    go_through(exercise, 3, 6, judge)


def test_moves_before_it_is_closed(exercise: Answer) -> None:
    """What is idle at the signal may be so no more at the question (rules 4 and 5)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if moment.ended:
            return
        moved = said.wrongly_closed(moment, "busy")
        if moment.waited_s < PATIENCE_S:
            moved |= said.wrongly_closed(moment, "arriving")
        if moved:
            why = (
                "It was idle, and then its request came, in the same round of the loop "
                "or the next: it was on its way when the signal was sent. A list of "
                "those to be closed that is made when something happens is out of date "
                "when the question comes. What counts is the state of that moment."
            )
            yield Found("to_close()", said.to_close, moment.to_close, why)
        elif said.wrongly_open(moment, "arriving"):
            why = (
                "Its patience is counted from the signal, not from the first piece of "
                "its request. Counted from there, a client could begin late, and hold "
                "the server for longer than anybody has allowed."
            )
            yield Found("to_close()", said.to_close, moment.to_close, why)
        elif said.to_close != moment.to_close:
            why = "Several things may happen before the loop asks: each of them counts."
            yield Found("to_close()", said.to_close, moment.to_close, why)

    go_through(exercise, 3, 3, judge, is_asked=False)


def test_nobody_asks(exercise: Answer) -> None:
    """How it ends is settled when it happens, not when it is asked (rules 7 to 9)."""

    def judge(events: list[Event], moment: Moment, said: Said) -> Iterator[Found]:
        if said.ended == moment.ended:
            return
        if moment.ended and said.ended == "forced":
            why = (
                "It was over before the second signal came: nothing was open, or the "
                "grace had passed. That nobody asked in between does not matter."
            )
        elif moment.ended == "drained":
            why = (
                "The last connection was closed before the grace was over. That the "
                "question comes later does not make it late: nobody was cut off."
            )
        elif moment.ended == "late" and said.ended == "drained":
            why = (
                "A connection was open when the grace was over, so it was late by "
                "then. That it is closed now, before anybody has asked, does not "
                "change that."
            )
        else:
            why = "Several things may happen before the loop asks: each of them counts."
        yield Found("ended()", said.ended, moment.ended, why)

    go_through(exercise, 2, 4, judge, is_asked=False)


def test_clock_at_zero(exercise: Answer) -> None:
    """A signal at second 0 of the clock is one: zero means nothing."""
    why = (
        "The clock's zero means nothing. Where the time of the signal is kept, and "
        "looked at with `if` or `not`, 0.0 is taken for no signal at all. What says "
        "that there was none is `None`: ask `is None`."
    )
    now = 0.0
    drain = exercise.Drain(GRACE_S, PATIENCE_S, lambda: now)
    drain.opened(7)
    drain.request(7)
    drain.opened(8)
    drain.signal()
    for name, expected in (
        ("may_accept", False),
        ("answers_say_close", True),
        ("to_close", {8}),
        ("ended", None),
        ("ended", "late"),
    ):
        now = GRACE_S if expected == "late" else 0.0
        came_back = getattr(drain, name)()
        check(
            came_back == expected,
            called=f"{name}() at {now:g} s on the clock, and the signal came at 0",
            came_back=came_back,
            expected=expected,
            why=why,
        )


def test_set_of_its_own(exercise: Answer) -> None:
    """The server may tell closed() while it goes through to_close()."""
    drain = exercise.Drain(GRACE_S, PATIENCE_S, lambda: 1000.0)
    for connection in (7, 8, 9):
        drain.opened(connection)
    drain.signal()
    came_back: object = []
    try:
        for connection in drain.to_close():
            drain.closed(connection)
        came_back = drain.ended()
    except RuntimeError as error:
        came_back = f"RuntimeError: {error}"
    check(
        came_back == "drained",
        called="for connection in drain.to_close(): drain.closed(connection)",
        came_back=came_back,
        expected="three rounds, and then ended() == 'drained'",
        why="Each connection leaves the Drain while the server goes through the set. "
        "If that is where the Drain keeps its connections, it changes meanwhile.",
    )
    drain = exercise.Drain(GRACE_S, PATIENCE_S, lambda: 1000.0)
    for connection in (7, 8, 9):
        drain.opened(connection)
        drain.request(connection)
    drain.signal()
    drain.signal()
    left = drain.to_close()
    drain.closed(7)
    check(
        left == {7, 8, 9},
        called="to_close() after a second signal, kept, and then closed(7)",
        came_back=left,
        expected={7, 8, 9},
        why="After the end, too, the server goes through a set of its own. This one is "
        "where the Drain keeps what is open: each closed() takes something out of it.",
    )
