"""The points that are measured are those that the book and the claims need."""

from collections import Counter

from lab.record.matrix import (
    CASE_STEPS,
    CONNECTIONS,
    LATER_CONNECTIONS,
    STEPS,
    Plan,
    book_plan,
    closer_plan,
    own_mode,
    peer_plan,
    rotated,
    tour_plan,
)
from lab.record.names import step_of


def test_no_point_is_planned_twice() -> None:
    for plans in (book_plan(), tour_plan(), peer_plan("lab")):
        points = [plan.point().model_dump_json() for plan in plans]
        assert len(set(points)) == len(points)
        assert len({str(plan) for plan in plans}) == len(plans)


def test_the_book_measures_every_step_with_many_clients_and_few() -> None:
    plans = {str(plan) for plan in book_plan()}
    for step in CASE_STEPS:
        for connections in CONNECTIONS:
            assert f"{step}, {connections} × close" in plans
            kept = f"{step}, {connections} × keep-alive" in plans
            assert kept == (step not in ("step01", "step02"))
            assert f"{step}, {connections} × {own_mode(step)}, wrk" in plans
    for step in set(STEPS) - set(CASE_STEPS):
        for connections in LATER_CONNECTIONS:
            assert f"{step}, {connections} × keep-alive, wrk" in plans


def test_the_tour_sees_every_step_and_is_a_part_of_the_book() -> None:
    tour = {plan.point().model_dump_json() for plan in tour_plan()}
    plans = book_plan() + closer_plan()
    book = {plan.point().model_dump_json() for plan in plans}
    assert tour <= book
    hundred = {plan.server for plan in tour_plan() if plan.connections == 100}
    assert hundred >= set(STEPS)
    assert {step_of(server) for server in hundred} == set(STEPS)


def test_system_calls_are_counted_once_for_each_server() -> None:
    counted = Counter(plan.server for plan in book_plan() if plan.syscalls)
    assert set(counted) >= {*STEPS, "uvicorn"}
    assert {step_of(server) for server in counted} == {*STEPS, "uvicorn"}
    assert set(counted.values()) == {1}


def test_each_repeat_visits_all_points_and_starts_elsewhere() -> None:
    plans = [Plan("step06", connections) for connections in range(1, 8)]
    orders = [rotated(plans, repeat, 3) for repeat in range(3)]
    assert [order[0].connections for order in orders] == [1, 3, 5]
    for order in orders:
        assert sorted(order, key=lambda plan: plan.connections) == plans
        follows = [*order[1:], order[0]]
        assert all(
            b.connections == a.connections % 7 + 1
            for a, b in zip(order, follows, strict=True)
        )
