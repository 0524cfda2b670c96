"""Sentences for what may come out either way: a record chooses which one is true.

The size of a ratio differs from machine to machine, and a number says so. Where its
sign differs too (what is slower here is quicker there), so must the words.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.record.quantity import Quantity


@dataclass(frozen=True)
class Said:
    """What a record has to say. Another record may say something else."""

    text: str


def either_way(ratio: Quantity, *, less: str, same: str, more: str) -> Said | Quantity:
    """The words for a ratio below 1, about 1 or above 1.

    It is below or above if the whole of its interval is; else the repeats of the two
    overlap, and nothing can be told. What was not measured is given back as it is.
    """
    if ratio.is_missing:
        return ratio
    if ratio.high < 1:
        return Said(less)
    return Said(more if ratio.low > 1 else same)
