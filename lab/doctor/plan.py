"""How long each part of a consultation may take."""

from __future__ import annotations

from dataclasses import dataclass

#: The shortest and the longest consultation, in seconds.
SHORTEST_S = 4.0
LONGEST_S = 600.0

#: Connections of the three loads, and of the crowd that says nothing.
FEW, SOME, MANY = 1, 10, 100
CROWD = 1100
#: A part of it, below every limit of 1 024: does it cost anything?
PART_OF_CROWD = 900
#: Connections that hold a worker each, if anything does: so many at a time.
HOLDERS = (1, 8, 64)
#: After SIGTERM it is watched for so long.
ENDING_S = 10.0


@dataclass(frozen=True)
class Plan:
    """The parts of a consultation of `seconds`."""

    seconds: float
    #: How long the page takes that is asked for.
    page_s: float = 0.0

    @property
    def window_s(self) -> float:
        """One load."""
        return max(4 * self.page_s, min(1.5, max(0.25, self.seconds / 45)))

    @property
    def look_s(self) -> float:
        """After so long, a few requests on one connection have to do."""
        return max(1.0, self.seconds / 20)

    @property
    def rounds(self) -> int:
        """Loads of each size, and looks of each kind."""
        return 2 if self.seconds >= 15 and self.page_s < 0.3 else 1

    @property
    def patience_s(self) -> float:
        """How long an answer may take that should come at once."""
        return max(4 * self.page_s, min(1.5, max(0.5, self.seconds / 25)))

    @property
    def exchanges(self) -> int:
        """Requests on one connection, when each is looked at."""
        return 8 if self.seconds >= 15 else 5
