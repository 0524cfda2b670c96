"""What the operator of a server can choose. Each field is a flag."""

from dataclasses import dataclass
from typing import Annotated

from steps.http11 import Limits
from steps.step11.deadlines import Timeouts

LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Settings(Timeouts):
    max_connections: Annotated[int, "open at a time; others wait in the kernel"] = 1000
    max_header_bytes: Annotated[int, "of a request"] = LIMITS.max_header_bytes
    max_header_fields: Annotated[int, "of a request"] = LIMITS.max_header_fields
    max_body_bytes: Annotated[int, "of a request"] = LIMITS.max_body_bytes
    max_requests: Annotated[int, "on one connection"] = 1_000_000
    grace: Annotated[float, "seconds to finish what has begun, at SIGTERM"] = 10.0
    access_log: Annotated[bool, "a line for each request on standard output"] = False

    @property
    def limits(self) -> Limits:
        return Limits(
            max_header_bytes=self.max_header_bytes,
            max_header_fields=self.max_header_fields,
            max_body_bytes=self.max_body_bytes,
        )
