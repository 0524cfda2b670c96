"""Which points are measured: for the book, for the tour, and beside the peers.

A plan says what to measure; how long and how often is up to `lab/measure.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.record import CLOSING_STEPS, Generator, Headers, Mode, Point

STEPS = tuple(f"step{number:02}" for number in range(1, 9))
KEEPING_STEPS = tuple(step for step in STEPS if step not in CLOSING_STEPS)
#: These answer in batches, one a timeout: a short run must hold enough of them.
TIMED_STEPS = frozenset({"step03", "step05"})
CONNECTIONS = (1, 10, 100, 1000)
HEADERS: tuple[Headers, ...] = ("plain", "browser")


@dataclass(frozen=True, slots=True)
class Plan:
    """One point to measure; the fields are those of a point in a record."""

    server: str
    connections: int
    mode: Mode = "keep-alive"
    silent: int = 0
    headers: Headers = "plain"
    generator: Generator = "lab"
    path: str = "/"
    #: Also count system calls, in a run of their own.
    syscalls: bool = False
    #: Also measure what the silent connections cost by themselves, likewise.
    silent_cost: bool = False
    #: How many times as long as others it is measured.
    patience: float = 1.0
    #: How many seconds longer than others a run takes beside its timed part.
    more_s: float = 0.0
    #: At most so many repeats, where time is short; None: as many as others.
    repeats: int | None = None

    def __str__(self) -> str:
        text = f"{self.server}, {self.connections} × {self.mode}"
        if self.silent:
            text += f", {self.silent} silent"
        if self.headers != "plain":
            text += f", {self.headers} headers"
        if self.path != "/":
            text += f", {self.path}"
        if self.generator != "lab":
            text += f", {self.generator}"
        return text

    def point(self) -> Point:
        """The point of a record that this plans, without results."""
        return Point(
            server=self.server,
            mode=self.mode,
            connections=self.connections,
            silent=self.silent,
            headers=self.headers,
            path=self.path,
            generator=self.generator,
        )


def own_mode(server: str) -> Mode:
    """What a server does by itself, without being asked to close."""
    return "close" if server in CLOSING_STEPS else "keep-alive"


def book_plan() -> list[Plan]:
    """Everything that the book prints."""
    plans: list[Plan] = []
    for step in STEPS:
        for connections in CONNECTIONS:
            own = Plan(step, connections, own_mode(step))
            own = replace(own, patience=1.5 if _is_timed(own) else 1.0)
            # wrk is rarely the limit, so its figures are printed; the reader's are the
            # embedded generator's, and a claim compares like with like.
            plans += [own, replace(own, generator="wrk")]
            if step in KEEPING_STEPS:
                plans.append(Plan(step, connections, "close"))
    plans += silent_plan("lab") + silent_plan("wrk")
    plans += slow_handler_plan()
    plans += peer_plan("wrk")
    return [
        replace(plan, syscalls=counts_syscalls(plan)) for plan in dict.fromkeys(plans)
    ]


def counts_syscalls(plan: Plan) -> bool:
    """One count for each server, with a hundred clients."""
    return (
        plan.connections == 100
        and plan.mode == own_mode(plan.server)
        and plan.silent == 0
        and plan.path == "/"
        and plan.headers == "plain"
        and (plan.generator == "lab" or plan.server not in STEPS)
    )


def tour_plan() -> list[Plan]:
    """What a reader's first `make` measures: each step, and what the claims need."""
    plans = [
        Plan("step01", 10, "close"),
        *slow_handler_plan(),
        Plan("step03", 1),
        Plan("step03", 10),
        Plan("step03", 1000),
        Plan("step03", 100, "close"),
        Plan("step04", 1),
        Plan("step04", 100, "close"),
        Plan("step05", 1),
        Plan("step05", 10),
        Plan("step06", 1),
        Plan("step06", 1000),
    ]
    for step in ("step07", "step08"):
        plans += [Plan(step, 10), Plan(step, 10, silent=900)]
    headlines = [Plan(step, 100, own_mode(step)) for step in STEPS]
    return [
        replace(plan, patience=2.0 if _is_timed(plan) else 1.0)
        for plan in headlines + [replace(plan, repeats=2) for plan in plans]
    ]


def _is_timed(plan: Plan) -> bool:
    return (
        plan.server in TIMED_STEPS
        and plan.mode == "keep-alive"
        and plan.connections <= 100
    )


def slow_handler_plan() -> list[Plan]:
    """Four workers against one thread, where a handler waits."""
    return [Plan(step, 100, "close", path="/sleep/10") for step in ("step01", "step02")]


def silent_plan(generator: Generator) -> list[Plan]:
    """Silent connections beside active ones: what does it cost to watch?"""
    return [
        Plan(step, active, silent=silent, generator=generator)
        for step in ("step07", "step08")
        for active in (10, 100)
        for silent in (0, 900)
    ]


def peer_plan(generator: Generator) -> list[Plan]:
    """Step 08 beside a peer, with plain and with browser-like requests.

    All peers, and step 12: `lab/compare.py`.
    """
    return [
        Plan(server, 100, headers=headers, generator=generator)
        for headers in HEADERS
        for server in ("step08", "uvicorn")
    ]


def rotated(plans: Sequence[Plan], repeat: int, repeats: int) -> list[Plan]:
    """The order of one repeat: all plans, each repeat starting further on.

    So no server is always measured after the same one, or always when the machine is
    warm, and a disturbance does not hit all repeats of one point.
    """
    start = len(plans) * repeat // repeats
    order = [*plans[start:], *plans[:start]]
    return [plan for plan in order if plan.repeats is None or repeat < plan.repeats]
