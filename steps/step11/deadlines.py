"""Many deadlines, of which few ever pass: setting, moving and finding them is O(1)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

# How much too late a deadline may be found to have passed, in seconds.
TICK_S = 0.25
NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client, or a handler, may take. Each field is a flag."""

    header_timeout: Annotated[float, "seconds for a head, from its first byte"] = 10.0
    body_timeout: Annotated[float, "for a body; longer for a long one"] = 10.0
    idle_timeout: Annotated[float, "until the first byte of a request"] = 60.0
    write_timeout: Annotated[float, "for reading an answer; as above"] = 10.0
    handler_timeout: Annotated[float, "for a handler, where there are workers"] = 60.0


class Timed(Protocol):
    """What has a deadline. Both are for `Deadlines` alone to set."""

    deadline: float  # on the clock, in seconds
    bucket: "Bucket[Any] | None"  # which it is in


T = TypeVar("T", bound=Timed)


# [deadlines]
class Bucket(set[T]):
    """Those to look at when a tick is over."""

    def __init__(self, tick: int) -> None:
        self.time = tick * TICK_S


class Deadlines(Generic[T]):
    """What is timed is in a bucket, one for each tick, that is looked through when the
    tick is over. A deadline that moves to a later time stays in its bucket: what is
    found there too early is put into a later one then.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, Bucket[T]] = {}
        self.next_look = NEVER  # the time of the first tick that has a bucket

    def set(self, item: T, deadline: float) -> None:
        item.deadline = deadline
        if item.bucket is not None:
            if item.bucket.time < deadline + TICK_S:
                return
            self.cancel(item)
        tick = math.ceil(deadline / TICK_S)
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
        """Those whose deadline has passed, and which have not been cancelled.

        Who stops before the end gets the others the next time.
        """
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
