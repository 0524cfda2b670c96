"""The settings of step 13, which hold for each process; and how many processes."""

import os
from dataclasses import dataclass
from typing import Annotated

from steps.step13 import settings


def usable_cores() -> int:
    """How many this process may use: in a container, fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings(settings.Settings):
    processes: Annotated[int, "that serve"] = usable_cores()
    notice: Annotated[float, "seconds to say `close` and accept, before a drain"] = 0.0

    @property
    def is_one_of_many(self) -> bool:
        return True  # even if there is one: during a reload there are two
