"""The settings of step 12, and those of an application."""

from dataclasses import dataclass
from typing import Annotated

from steps.step12 import settings


@dataclass(frozen=True, slots=True)
class Settings(settings.Settings):
    max_buffered_bytes: Annotated[int, "to send, before a handler waits"] = 65_536
    wsgi: Annotated[str, "MODULE:CALLABLE, an application to serve (PEP 3333)"] = ""

    @property
    def is_one_of_many(self) -> bool:
        """Whether other processes may call the same application at the same time."""
        return False
