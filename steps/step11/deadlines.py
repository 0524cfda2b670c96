"""Many deadlines, of which few ever pass: setting, moving and finding them is O(1)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

# A deadline that has passed is noticed so many seconds late, at most.
TICK_S = 0.25
NEVER = math.inf
# No bucket is further ahead than this, so there are about 240 at most, and what has a
# later deadline is looked at once a minute.
MAX_AHEAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client, or a handler, may take. Each field is a flag."""

    header_timeout: Annotated[float, "seconds for a head, from its first byte"] = 10.0
    body_timeout: Annotated[float, "for a body; longer for a long one"] = 10.0
    idle_timeout: Annotated[float, "until the first byte of a request"] = 60.0
    write_timeout: Annotated[float, "for reading an answer; as above"] = 10.0
    handler_timeout: Annotated[float, "for a handler, where there are workers"] = 60.0


class Timed(Protocol):
    """What can have a deadline. Only `Deadlines` sets these two."""

    deadline: float  # on the clock, in seconds
    bucket: "Bucket[Any] | None"  # the one that it is in


T = TypeVar("T", bound=Timed)


# [deadlines]
class Bucket(set[T]):
    """Those to look at when a tick is over: their deadline may have passed."""

    def __init__(self, tick: int) -> None:
        self.time = tick * TICK_S


class Deadlines(Generic[T]):
    """Each tick has a bucket, which is looked through when the tick is over.

    An item whose deadline moves to a later time stays in its bucket, so that moving it
    is one assignment. When it is found there too early, it is put into a later one; and
    so is one whose deadline is further ahead than there are buckets.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket[T]] = {}
        self._looked = 0.0  # the time of the last look
        self.next_look = NEVER  # the time of the first tick that has a bucket

    def set(self, item: T, deadline: float) -> None:
        item.deadline = deadline
        if item.bucket is not None:
            if item.bucket.time < deadline + TICK_S:
                return  # its bucket is looked through in time
            self.cancel(item)
        tick = math.ceil(min(deadline, self._looked + MAX_AHEAD_S) / TICK_S)
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = Bucket(tick)
            self.next_look = min(self.next_look, bucket.time)
        bucket.add(item)
        item.bucket = bucket

    def cancel(self, item: T) -> None:
        if item.bucket is not None:
            item.bucket.discard(item)
            item.bucket = None

    def pop_expired(self, now: float) -> Iterator[T]:
        """Remove and give those whose deadline has passed.

        The caller may stop before the end: it is given the others the next time.
        """
        self._looked = now
        if now < self.next_look:
            return
        for tick in [tick for tick in self._buckets if tick * TICK_S <= now]:
            bucket = self._buckets[tick]
            while bucket:
                item = bucket.pop()
                item.bucket = None
                if item.deadline <= now:
                    yield item
                else:
                    self.set(item, item.deadline)
            del self._buckets[tick]
        self.next_look = min(self._buckets, default=NEVER) * TICK_S

    # [/deadlines]
