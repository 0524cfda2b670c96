"""Percentiles of distributions that are known."""

import json
import random

import pytest

from lab.load.histogram import HIGHEST_NS, Histogram


@pytest.mark.parametrize("percent", [50, 75, 90, 99, 99.9])
@pytest.mark.parametrize("unit_ns", [1, 1_000, 1_000_000])
def test_percentiles_are_exact_to_half_a_per_cent(percent: float, unit_ns: int) -> None:
    values = [n * unit_ns for n in range(1, 10_001)]
    random.shuffle(values)
    histogram = Histogram()
    histogram.add_many(values)
    expected = percent / 100 * 10_000 * unit_ns
    assert histogram.percentile_ns(percent) == pytest.approx(expected, rel=0.005)


def test_every_value_falls_near_itself() -> None:
    for bits in range(37):
        for value in (1 << bits, (1 << bits) + 1, (1 << bits + 1) - 1):
            if value > HIGHEST_NS:
                continue
            histogram = Histogram()
            # Others below and above, so that it is not read back as an extreme.
            histogram.add_many([0, value, HIGHEST_NS])
            assert histogram.percentile_ns(50) == pytest.approx(value, rel=0.004)


def test_mean_lowest_and_highest_are_exact() -> None:
    histogram = Histogram()
    histogram.add_many([3, 1_000_003, 7_654_321])
    histogram.add_many([])
    assert histogram.count == 3
    assert histogram.mean_ns() == (3 + 1_000_003 + 7_654_321) / 3
    assert histogram.percentile_ns(100) == 7_654_321
    assert histogram.percentile_ns(0) == 3


def test_what_is_longer_than_the_longest_counts_as_the_longest() -> None:
    histogram = Histogram()
    histogram.add_many([5, HIGHEST_NS * 3])
    assert histogram.count == 2
    assert histogram.highest_ns == HIGHEST_NS


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert Histogram().percentile_ns(50) == 0
    assert Histogram().mean_ns() == 0


def test_two_halves_merge_into_the_whole_and_travel_as_json() -> None:
    values = [random.randrange(10**9) for _ in range(2_000)]
    whole, first, second = Histogram(), Histogram(), Histogram()
    whole.add_many(values)
    first.add_many(values[:700])
    second.add_many(values[700:])
    first.merge(Histogram.from_json(json.loads(json.dumps(second.to_json()))))
    assert vars(first) == vars(whole)
