"""Records with invented digits for every planned point. They are never committed."""

from collections.abc import Iterable

from lab.record.matrix import Plan, book_plan, tour_plan
from lab.record.model import Point, Record
from tests.lab.sample_record import sample_machine, sample_point, spread

#: Servers that wait and do not work, in ms: their rate follows the connections.
_WAITS_MS = {"step03": 100, "step04": 44, "step05": 100, "step06": 44}
_STATS = {"ebadf": 7, "select_calls": 9000, "lock_waits": 3, "lock_wait_s": 0.01}


def book() -> Record:
    return _record(book_plan(), factor=1)


def mine() -> Record:
    """A faster machine, of which less was measured."""
    return _record(tour_plan(), factor=1.3)


def _record(plans: Iterable[Plan], factor: float) -> Record:
    return Record(
        created_utc="2030-01-02T03:04:05Z",
        commit="0123456789abcdef",
        dirty=False,
        complete=True,
        machine=sample_machine(),
        points=[_point(plan, factor) for plan in plans],
    )


def _point(plan: Plan, factor: float) -> Point:
    rate = 12_000 if plan.mode == "close" else 70_000
    if plan.mode == "keep-alive" and plan.server in _WAITS_MS:
        rate = plan.connections * 1000 // _WAITS_MS[plan.server]
    if plan.path != "/":
        rate = 800  # a handler that takes its time is the limit
    planned = plan.point()
    point = sample_point(
        plan.server,
        plan.connections,
        spread(rate * factor),
        # The embedded generator is not as quick as these servers.
        generator_bound=rate == 70_000 and plan.generator == "lab",
        stats=_STATS,
        syscalls={"recvfrom": 1.0, "sendto": 2.0} if plan.syscalls else None,
    )
    found = {"repeats", "syscalls_per_request"}
    return planned.model_copy(update={name: getattr(point, name) for name in found})
