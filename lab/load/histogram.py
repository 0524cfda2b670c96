"""A histogram of fixed size for latencies, exact to half a per cent.

Buckets are log-linear: every power of two is cut into 128 equal parts, so a bucket is
at most 1/128 as wide as its value, and a value read back from the middle of its bucket
is at most 0.4 % off. 4 000 buckets reach from a nanosecond to two minutes, whatever
the number of values. Mean, lowest and highest are exact.

Values are whole nanoseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

#: 2 ** PRECISION_BITS buckets for every power of two.
PRECISION_BITS = 7
#: Longer than any timeout that a load can have; what is longer counts as this.
HIGHEST_NS = (1 << 37) - 1

_SIZE = ((HIGHEST_NS.bit_length() - PRECISION_BITS) << PRECISION_BITS) + (
    1 << PRECISION_BITS
)


class Histogram:
    """Counts of values; `percentile` and `mean` read them back."""

    def __init__(self) -> None:
        self.counts = [0] * _SIZE
        self.count = 0
        self.sum_ns = 0
        self.lowest_ns = HIGHEST_NS
        self.highest_ns = 0

    def add_many(self, values_ns: Sequence[int]) -> None:
        """Count every value; none may be negative."""
        if not values_ns:
            return
        counts = self.counts
        highest = max(values_ns)
        if highest > HIGHEST_NS:
            values_ns = [min(value, HIGHEST_NS) for value in values_ns]
            highest = HIGHEST_NS
        for value in values_ns:
            shift = value.bit_length() - PRECISION_BITS - 1
            if shift > 0:
                counts[(shift << PRECISION_BITS) + (value >> shift)] += 1
            else:
                counts[value] += 1
        self.count += len(values_ns)
        self.sum_ns += sum(values_ns)
        self.lowest_ns = min(self.lowest_ns, min(values_ns))
        self.highest_ns = max(self.highest_ns, highest)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's values to this one."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.count += other.count
        self.sum_ns += other.sum_ns
        self.lowest_ns = min(self.lowest_ns, other.lowest_ns)
        self.highest_ns = max(self.highest_ns, other.highest_ns)

    def mean_ns(self) -> float:
        """The mean of all values; 0 when there are none."""
        return self.sum_ns / self.count if self.count else 0.0

    def percentile_ns(self, percent: float) -> float:
        """The value that `percent` of all values do not exceed; 0 when there are none.

        The nearest rank: always a value that was counted, as its bucket remembers it.
        """
        rank = max(1.0, percent / 100 * self.count)
        if rank > self.count - 1:
            return float(self.highest_ns)
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= rank:
                middle = _middle_ns(index)
                return min(max(middle, self.lowest_ns), self.highest_ns)
        return 0.0

    def to_json(self) -> dict[str, object]:
        """A small dictionary: only the buckets in use."""
        return {
            "counts": [[i, n] for i, n in enumerate(self.counts) if n],
            "sum_ns": self.sum_ns,
            "lowest_ns": self.lowest_ns,
            "highest_ns": self.highest_ns,
        }

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Histogram:
        """The histogram that `to_json` wrote."""
        histogram = cls()
        counts, sum_ns = data["counts"], data["sum_ns"]
        lowest_ns, highest_ns = data["lowest_ns"], data["highest_ns"]
        assert isinstance(counts, list)
        assert isinstance(sum_ns, int)
        assert isinstance(lowest_ns, int)
        assert isinstance(highest_ns, int)
        for index, count in counts:
            histogram.counts[index] = count
            histogram.count += count
        histogram.sum_ns = sum_ns
        histogram.lowest_ns = lowest_ns
        histogram.highest_ns = highest_ns
        return histogram


def _middle_ns(index: int) -> float:
    """The middle of the values that a bucket stands for."""
    shift = (index >> PRECISION_BITS) - 1
    if shift <= 0:
        return float(index)
    lowest = (index - (shift << PRECISION_BITS)) << shift
    return lowest + ((1 << shift) - 1) / 2
