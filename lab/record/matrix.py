"""Which points are measured: for the book, for the tour, and beside the peers.

A plan says what to measure; how long and how often is up to `lab/measure/run.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.load.kinds import Headers, Manner
from lab.paths import ROOT
from lab.record.model import Generator, Mode, Point
from lab.record.names import ALL_CORES_FLAG, CLOSING_STEPS, NODELAY, ONE_WRITE

STEPS = tuple(
    sorted(path.parent.name for path in ROOT.glob("steps/step??/__main__.py"))
)
#: The question's server and its cure: measured with every number of connections.
CASE_STEPS = STEPS[:8]
#: Whose system calls are counted by the tour, too, for claims are about them.
COUNTED_STEPS = frozenset({"step08", "step09", "step10"})
#: What is made of it: so many are enough, with so many clients.
LATER_CONNECTIONS = (1, 100, 1000)
#: These answer in batches, one a timeout: a short run must hold enough of them.
TIMED_STEPS = frozenset({"step03", "step05"})
CONNECTIONS = (1, 10, 100, 1000)
#: Over how long clients spread their first requests that do not begin at once.
STAGGER_S = 0.05
#: Connections that ask for much and read nothing.
STALLED = 4
#: How long one waits for an answer beside those, in seconds.
GIVE_UP_S = 1.0
#: Measured with the GIL and without.
GIL_STEPS = tuple(f"step{number:02}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 12, 13))
GIL_CONNECTIONS = (1, 10, 100, 900)
GIL_WORKERS = (1, 2, 3, 4)
HEADERS: tuple[Headers, ...] = ("plain", "browser")
#: The connections whose memory is measured, and how often they are put beside active
#: ones; None: as often as others.
MEMORY_MANNERS: tuple[tuple[Manner, int | None], ...] = (("silent", None), ("kept", 1))


@dataclass(frozen=True, slots=True)
class Plan:
    """One point to measure; the fields are those of a point in a record."""

    server: str
    connections: int
    mode: Mode = "keep-alive"
    silent: int = 0
    manner: Manner = "silent"
    headers: Headers = "plain"
    generator: Generator = "lab"
    path: str = "/"
    #: With the GIL or without it, where both are measured.
    gil: bool | None = None
    #: Over how long the first requests are spread, in seconds; 0: all begin at once.
    stagger_s: float = 0.0
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
            text += f", {self.silent} {self.manner}"
        if self.headers != "plain":
            text += f", {self.headers} headers"
        if self.path != "/":
            text += f", {self.path}"
        if self.stagger_s:
            text += f", begun within {self.stagger_s * 1000:g} ms"
        if self.generator != "lab":
            text += f", {self.generator}"
        if self.gil is not None:
            text += ", with the GIL" if self.gil else ", without the GIL"
        return text

    def point(self) -> Point:
        """The point of a record that this plans, without results."""
        return Point(
            server=self.server,
            mode=self.mode,
            connections=self.connections,
            silent=self.silent,
            manner=self.manner,
            headers=self.headers,
            path=self.path,
            stagger_s=self.stagger_s,
            generator=self.generator,
            gil=self.gil,
        )


def is_step(server: str) -> bool:
    """Whether it is a step, with flags or without; else it is one of the peers."""
    step, *flags = server.split()
    return step in STEPS and all(flag.startswith("-") for flag in flags[:1])


def own_mode(server: str) -> Mode:
    """What a server does by itself, without being asked to close."""
    return "close" if server in CLOSING_STEPS else "keep-alive"


def book_plan() -> list[Plan]:
    """Everything that the book prints."""
    plans: list[Plan] = []
    for step in CASE_STEPS:
        for connections in CONNECTIONS:
            own = Plan(step, connections, own_mode(step))
            own = replace(own, patience=1.5 if _is_timed(own) else 1.0)
            # wrk is rarely the limit, so its figures are printed; the reader's are the
            # embedded generator's, and a claim compares like with like.
            plans += [own, replace(own, generator="wrk")]
            if step not in CLOSING_STEPS:
                plans.append(Plan(step, connections, "close"))
    for step in STEPS[len(CASE_STEPS) :]:
        plans.append(Plan(step, 100))
        plans += [Plan(step, n, generator="wrk") for n in LATER_CONNECTIONS]
    plans += silent_plan("lab") + silent_plan("wrk")
    plans += (
        slow_handler_plan()
        + hand_over_plan()
        + stalled_plan()
        + workers_plan()
        + deadlines_plan()
    )
    plans += asyncio_plan() + silent_cost_plan()
    in_the_loop = in_the_loop_plan() + asyncio_plan()
    plans += [replace(plan, generator="wrk") for plan in in_the_loop]
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
        and (plan.generator == "lab" or not is_step(plan.server))
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
    plans += (
        hand_over_plan()
        + stalled_plan()
        + workers_plan()
        + deadlines_plan()
        + asyncio_plan()
    )
    plans += [Plan("step05", 10, stagger_s=STAGGER_S), *halves_plan("lab")[1:3]]
    headlines = [Plan(step, 100, own_mode(step)) for step in STEPS]
    return [
        replace(
            plan,
            patience=2.0 if _is_timed(plan) else 1.0,
            silent_cost=False,
            syscalls=plan.server in COUNTED_STEPS and counts_syscalls(plan),
        )
        for plan in dict.fromkeys(
            headlines + [replace(plan, repeats=2) for plan in plans]
        )
    ]


def _is_timed(plan: Plan) -> bool:
    return (
        plan.server in TIMED_STEPS
        and plan.mode == "keep-alive"
        and plan.connections <= 100
    )


def hand_over_plan() -> list[Plan]:
    """A single client, for which no answers can be handed over together."""
    return [Plan(step, 1) for step in ("step09", "step10")]


def closer_plan() -> list[Plan]:
    """What `python -m lab closer` measures."""
    regimes = [
        Plan("step05", connections, stagger_s=stagger_s)
        for connections in (10, 100)
        for stagger_s in (0.0, STAGGER_S)
    ]
    regimes.append(Plan("step05", 100, generator="wrk"))
    halves = halves_plan("lab") + halves_plan("wrk")
    return regimes + [replace(plan, repeats=5) for plan in (*halves, *cores_plan())]


def halves_plan(generator: Generator) -> list[Plan]:
    """Neither half of step 07's cure, either, and both."""
    return [
        Plan(server, 100, generator=generator)
        for server in ("step06", ONE_WRITE, NODELAY, "step07")
    ]


def cores_plan() -> list[Plan]:
    """Step 07 on a core of its own, and where the kernel puts its threads."""
    return [
        Plan(f"step07{flags}", 10)
        for workers in ("", " --workers 1")
        for flags in (workers, f"{workers} {ALL_CORES_FLAG}")
    ]


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


def stalled_plan() -> list[Plan]:
    """Clients that do not read their answers, and ten that do."""
    return [
        Plan("step08", 10),
        Plan("step09", 10),
        Plan("step08", 10, silent=STALLED, manner="unread", more_s=GIVE_UP_S),
        Plan("step09", 10, silent=STALLED, manner="unread"),
    ]


def in_the_loop_plan() -> list[Plan]:
    """Handlers in the loop, where the step would by itself give them to workers."""
    return [Plan("step10 --workers 0", 100), Plan("step11 --workers 0", 100)]


def workers_plan() -> list[Plan]:
    """Four workers against none: handlers that are short, that wait, that compute."""
    return [
        *in_the_loop_plan(),
        *(
            Plan(f"step10{flags}", 100, path=path)
            for path in ("/sleep/5", "/spin/1")
            for flags in ("", " --workers 0")
        ),
    ]


def deadlines_plan() -> list[Plan]:
    """Half requests without and with a deadline, and silence where it is timed."""
    return [
        Plan("step10", 10),
        Plan("step11", 10),
        Plan("step11", 10, silent=900, silent_cost=True),
        Plan("step10", 10, silent=900, manner="half"),
        Plan("step11 --header-timeout 1", 10, silent=900, manner="half"),
    ]


def asyncio_plan() -> list[Plan]:
    """Two loops, ours and asyncio's, where each runs the handlers itself."""
    return [Plan(f"{step} --workers 0", 100) for step in ("step12", "step15")]


def silent_cost_plan() -> list[Plan]:
    """What a connection costs in either of them that never spoke, and one that was
    served and is kept."""
    return [
        Plan(step, 10, silent=900, manner=manner, silent_cost=True, repeats=repeats)
        for step in ("step12", "step15")
        for manner, repeats in MEMORY_MANNERS
    ]


def peer_plan(generator: Generator) -> list[Plan]:
    """Step 08 beside a peer, with plain and with browser-like requests.

    All peers, and step 13: `lab/measure/compare.py`.
    """
    return [
        Plan(server, 100, headers=headers, generator=generator)
        for headers in HEADERS
        for server in ("step08", "uvicorn")
    ]


def gil_plan(generator: Generator) -> list[Plan]:
    """The question's servers, the loop and its workers, with the GIL and without.

    The two stand side by side, so that what disturbs one disturbs the other. Handlers
    that take their time are asked by the embedded generator: wrk's warm-up would leave
    a queue of requests behind, which nobody waits for any more.
    """
    plans = [
        Plan(step, connections, own_mode(step))
        for step in GIL_STEPS
        for connections in GIL_CONNECTIONS
    ]
    plans += [Plan("step10 --workers 0", 100), Plan("step13 --workers 0", 100)]
    plans = [replace(plan, generator=generator) for plan in plans]
    plans += [
        Plan(f"step10 --workers {workers}", 100, path=path)
        for path in ("/spin/1", "/sleep/5")
        for workers in GIL_WORKERS
    ]
    return [replace(plan, gil=gil) for plan in plans for gil in (True, False)]


def rotated(plans: Sequence[Plan], repeat: int, repeats: int) -> list[Plan]:
    """The order of one repeat: all plans, each repeat starting further on.

    So no server is always measured after the same one, or always when the machine is
    warm, and a disturbance does not hit all repeats of one point.
    """
    start = len(plans) * repeat // repeats
    order = [*plans[start:], *plans[:start]]
    return [plan for plan in order if plan.repeats is None or repeat < plan.repeats]
