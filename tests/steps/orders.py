"""A model of threads that share memory: every order of their accesses is tried.

A thread is a generator that yields each of its accesses, a `Step`, and is sent what was
found there. `explore()` follows all threads into every state that can be reached.

A processor may keep what a thread has written in a buffer of that thread's own for a
while, and go on reading: the others see it later, in the order in which it was written
(Intel's manual, volume 3A, §8.2.3.4; "total store order"). Others, such as ARM's, also
let two writes of a thread be seen the other way round, and let it read something old
after something new (Arm's Architecture Reference Manual, B2.3). CPython with the GIL
hides all that. (What ARM allows beside it, that a write is seen before something that
stands above it has been read, is not tried.)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from enum import Enum
from functools import cache
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Order(Enum):
    """What of the order of a thread's accesses others may see changed."""

    AS_WRITTEN = 1  # nothing: with the GIL
    BUFFERED = 2  # a read before a write that stands above it: x86 without the GIL
    ANY = 3  # also two writes, or two reads, of different names: ARM without the GIL


AS_WRITTEN, BUFFERED, ANY = Order


class Step(NamedTuple):
    """One access. Its thread is sent the value that was there before.

    | kind         | what it does                                                      |
    |--------------|-------------------------------------------------------------------|
    | write, read  | an attribute is set, or looked at: nothing is promised of the     |
    |              | order in which others see it                                      |
    | add          | the kernel's, at once: a byte into a pipe, a connection shut down |
    | wait, see    | the kernel's: goes on when there is something; wait takes it      |
    | take         | the kernel's: takes what is there, and goes on in any case        |
    | lock, unlock | what they say                                                     |
    | put, get     | a queue, or the ends of a deque: get goes on when there is one    |
    | set, clear   | an event                                                          |
    | await        | goes on when the event is set                                     |

    Of the last four lines, whoever comes second sees what the first had written before.
    Of the kernel's that is not assumed.
    """

    kind: str
    name: str
    value: int = 0


GIVE = {"unlock", "put", "set", "clear"}  # what their thread has written by then
GET = {"lock", "put", "get", "set", "clear", "await"}  # what others have given there
GO_ON_IF_THERE_IS = {"wait", "see", "get", "await"}
MAKE = {"wait": 0, "take": 0, "lock": 1, "unlock": 0, "set": 1, "clear": 0}
CHANGE_BY = {"put": 1, "get": -1}


def write(name: str, value: int) -> Step:
    return Step("write", name, value)


def read(name: str) -> Step:
    return Step("read", name)


Thread = Generator[Step, int, None]
Program = Callable[[], Thread]
Writes = tuple[tuple[str, int], ...]
# Of names, which of their values is the oldest that may still be read.
View = tuple[tuple[str, int], ...]


class State(NamedTuple):
    given: tuple[tuple[int, ...], ...]  # to each thread, which says where it is
    buffers: tuple[Writes, ...]  # what each has written, and nobody else sees yet
    values: tuple[tuple[str, tuple[int, ...]], ...]  # of each name, the newest last
    views: tuple[View, ...]  # each thread's
    shown: tuple[tuple[str, View], ...]  # by a lock or a queue to whoever comes next


@cache
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


def successors(programs: list[Program], state: State, order: Order) -> Iterator[State]:
    for number, program in enumerate(programs):
        yield from _seen_by_others(number, state, order)
        step = next_step(program, state.given[number])
        if step is not None:
            yield from _stepped(number, step, state, order)


def _seen_by_others(number: int, state: State, order: Order) -> Iterator[State]:
    """A write leaves the thread's buffer."""
    buffer = state.buffers[number]
    names = [name for name, _ in buffer]
    for place, (name, value) in enumerate(buffer):
        if place == 0 or (order is ANY and name not in names[:place]):
            rest = _replaced(state.buffers, number, _without(buffer, place))
            yield _written(number, name, value, state._replace(buffers=rest), order)


def _stepped(number: int, step: Step, state: State, order: Order) -> Iterator[State]:
    kind, name, _ = step
    buffer = state.buffers[number]

    def given(value: int, state: State) -> State:
        mine = (*state.given[number], value)
        return state._replace(given=_replaced(state.given, number, mine))

    if kind == "write" and order is AS_WRITTEN:
        yield given(0, _written(number, name, step.value, state, order))
        return
    if kind == "write":
        more = (*buffer, (name, step.value))
        yield given(0, state._replace(buffers=_replaced(state.buffers, number, more)))
        return
    values = dict(state.values).get(name, (0,))
    if kind == "read":
        own = [value for written, value in buffer if written == name]
        if own:
            yield given(own[-1], state)
            return
        for age in range(dict(state.views[number]).get(name, 0), len(values)):
            yield given(values[age], _looked(number, ((name, age),), state, order))
        return
    now = values[-1]
    if (now == 0 and kind in GO_ON_IF_THERE_IS) or (now and kind == "lock"):
        return
    # On x86 what makes a lock or a queue empties the buffer, in either direction.
    if buffer and kind in (GIVE if order is ANY else GIVE | GET):
        return
    if kind in GET:
        state = _looked(number, dict(state.shown).get(name, ()), state, order)
    if kind not in ("see", "await"):
        new = MAKE.get(kind, now + CHANGE_BY.get(kind, step.value))
        state = _written(number, name, new, state, order)
    if kind in GIVE:
        shown = dict(state.shown) | {name: state.views[number]}
        state = state._replace(shown=tuple(sorted(shown.items())))
    yield given(now, state)


def _written(number: int, name: str, value: int, state: State, order: Order) -> State:
    """In the memory."""
    values = dict(state.values)
    # What is older can be read only where anything may be seen late.
    before = values.get(name, (0,)) if order is ANY else ()
    values[name] = (*before, value)
    state = state._replace(values=tuple(sorted(values.items())))
    return _looked(number, ((name, len(before)),), state, order)


def _looked(number: int, seen: View, state: State, order: Order) -> State:
    """The thread has seen these values: it reads none that is older than them."""
    if order is not ANY:
        return state
    view = dict(state.views[number])
    for name, age in seen:
        view[name] = max(age, view.get(name, 0))
    views = _replaced(state.views, number, tuple(sorted(view.items())))
    return state._replace(views=views)


def _replaced(things: tuple[T, ...], number: int, new: T) -> tuple[T, ...]:
    return (*things[:number], new, *things[number + 1 :])


def _without(things: tuple[T, ...], number: int) -> tuple[T, ...]:
    return (*things[:number], *things[number + 1 :])


def explore(programs: list[Program], order: Order) -> tuple[int, list[State]]:
    """How many states there are, and those in which some thread waits for ever."""
    none: tuple[tuple[()], ...] = ((),) * len(programs)
    first = State(none, none, (), none, ())
    seen, todo, stuck = {first}, [first], []
    while todo:
        state = todo.pop()
        after = list(successors(programs, state, order))
        if not after and any(map(next_step, programs, state.given)):
            stuck.append(state)
        for new in after:
            if new not in seen:
                seen.add(new)
                todo.append(new)
    return len(seen), stuck
