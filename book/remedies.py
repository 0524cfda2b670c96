"""What the page about the doctor prints of the doctor's own words."""

from __future__ import annotations

from book.block import Block
from book.drawn import Drawn
from lab.doctor.remedies import REMEDIES


class Remedies(Block):
    """The block that is made from `lab/doctor/remedies.py`."""

    def remedies(self) -> Drawn:
        """What each finding's command shows, and what usually helps."""
        rows = ["| it says | what usually helps |"]
        rows += ["|---|---|"]
        for each in REMEDIES:
            helps = f"{each.helps[0].upper()}{each.helps[1:]}."
            rows.append(
                f"| {each.says} | {helps}<br>*Its command shows:* {each.look}. |"
            )
        return Drawn(repository=lambda: "\n".join(rows), site=lambda: "\n".join(rows))
