"""Those of step 12, each for one process, and how many of them."""

import os
from dataclasses import dataclass
from typing import Annotated

from steps.step12 import settings


def usable_cores() -> int:
    """Those that this process may use: a container may have fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings(settings.Settings):
    processes: Annotated[int, "that serve"] = usable_cores()
