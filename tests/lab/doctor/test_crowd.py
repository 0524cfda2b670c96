"""A crowd that says nothing. How many are too many is by a server's construction."""

import contextlib

import pytest

from lab.doctor import crowd
from lab.doctor.growth import contact
from lab.doctor.observations import Crowd
from lab.doctor.plan import Plan
from lab.doctor.process import Watched
from lab.doctor.raw import Target, Wire
from tests.lab.doctor.servers import room_for, target_of
from tests.lab.scripted_server import (
    answer,
    serving,
)

PLAN = Plan(5.0)


def test_memory_is_not_worth_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer) as server:
        target = target_of(server)
        assert crowd.memory_of_kept(target, Watched([])) is not None
        had = server.accepted
        monkeypatch.setattr(crowd, "MEMORY_BY_S", -1.0)
        assert crowd.memory_of_kept(target, Watched([])) is None
        assert server.accepted == had


def test_a_crowd_finds_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CROWD", 150)
    monkeypatch.setattr(crowd, "PART_OF_CROWD", 60)
    with room_for(100) as server:
        target = target_of(server)
        seen = crowd.crowd(target, contact(target, PLAN), PLAN, None)
    assert seen.opened == 150
    assert seen.answered_ms is None
    assert seen.limit is not None
    assert 100 - crowd.FINE <= seen.limit <= 100
    assert len(seen.without_ms) == len(seen.beside_ms) == 1


def test_a_crowd_that_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CROWD", 150)
    monkeypatch.setattr(crowd, "PART_OF_CROWD", 60)
    with serving(answer) as server:
        target = target_of(server)
        seen = crowd.crowd(target, contact(target, PLAN), PLAN, None)
    assert (seen.opened, seen.kept, seen.limit) == (150, 150, None)
    assert seen.answered_ms is not None


def test_a_limit_is_none_beside_as_many_of_whom_another_is_answered_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was slow for a while: fifty have left, as many have come, and all is well."""
    answers: list[float | str] = ["late", "late", 3.0, 3.0, 3.0]
    monkeypatch.setattr(crowd, "_ask", lambda *_: answers.pop(0))
    monkeypatch.setattr(crowd, "accepted", lambda _: None)
    seen = Crowd(60, 60, 60, 1, [], [])
    with serving(answer) as server, contextlib.ExitStack() as stack:
        target = target_of(server)
        wires = [stack.enter_context(Wire(target)) for _ in range(60)]
        crowd._ask_beside(target, wires, PLAN, seen)
    assert seen.limit is None
    assert seen.recovered


@pytest.mark.parametrize(("now", "limit"), [("late", 20), (3.0, None)])
def test_what_is_left_when_silent_ones_have_been_ended_is_no_limit(
    now: float | str, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty of sixty are left: somebody else is shut out by them, or is not."""
    answers: list[float | str] = ["late", "late", now, 3.0]
    monkeypatch.setattr(crowd, "_ask", lambda *_: answers.pop(0))
    monkeypatch.setattr(crowd, "accepted", lambda _: 20)
    seen = Crowd(60, 60, 60, 1, [], [])
    with serving(answer) as server, contextlib.ExitStack() as stack:
        target = target_of(server)
        wires = [stack.enter_context(Wire(target)) for _ in range(60)]
        crowd._ask_beside(target, wires, PLAN, seen)
    assert seen.limit == limit


def test_those_leave_first_whose_descriptors_are_the_highest() -> None:
    """`select()` can watch the next one again when as few are left as it can watch."""
    with serving(answer) as server, contextlib.ExitStack() as stack:
        target = target_of(server)
        wires = [stack.enter_context(Wire(target)) for _ in range(20)]
        first = wires[0]
        assert crowd._thin_out(target, wires, 5)
        assert wires[0] is first
        assert len(wires) == 15


def test_who_cannot_connect_in_time_was_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(crowd, "Wire", connect)
    assert crowd._ask(Target("127.0.0.1", 1), 0.1) == "late"


def test_a_server_may_take_its_time_after_a_crowd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = ["late", "late", "late", "late", "late", 3.0]  # twice beside them
    paused: list[float] = []
    monkeypatch.setattr(crowd, "_ask", lambda *_: answers.pop(0))
    monkeypatch.setattr(crowd, "accepted", lambda _: None)
    monkeypatch.setattr(crowd, "_settled", lambda _: None)
    monkeypatch.setattr("time.sleep", paused.append)
    seen = Crowd(2, 2, 2, 1, [], [])
    crowd._ask_beside(Target("127.0.0.1", 1), [], PLAN, seen)
    assert seen.recovered
    assert sum(paused) >= 6


def test_a_crowd_that_seems_to_cost_something_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowd, "CROWD", 30)
    monkeypatch.setattr(crowd, "PART_OF_CROWD", 20)
    found = [1.0, 9.0, 1.0, 1.1]  # without them and beside them; and once more

    def look(*arguments: object) -> None:
        times = arguments[2]
        assert isinstance(times, list)
        times.append(found.pop(0))

    monkeypatch.setattr(crowd, "_look", look)
    with serving(answer) as server:
        target = target_of(server)
        seen = crowd.crowd(target, contact(target, PLAN), PLAN, None)
    assert (seen.without_ms, seen.beside_ms) == ([1.0, 1.0], [9.0, 1.1])
    assert seen.opened == 30
