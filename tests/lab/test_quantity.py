"""A quantity keeps its spread through arithmetic, and claims no more than is known."""

import math
from dataclasses import replace

import pytest

from lab.record.quantity import THIN_SPACE, Quantity


def shown(quantity: Quantity) -> str:
    return str(quantity).replace(THIN_SPACE, " ")


def rate(*values: float, generator: str = "lab", at_least: bool = False) -> Quantity:
    return Quantity.of(values, "1/s", generator=generator, at_least=at_least)


def test_a_ratio_is_as_wide_as_both_spreads_together() -> None:
    ratio = rate(90, 100, 110) / rate(45, 50, 55)
    assert ratio.median == 2
    assert ratio.low == pytest.approx(90 / 55)
    assert ratio.high == pytest.approx(110 / 45)
    assert ratio.unit == ""
    assert ratio.repeats == 3


def test_littles_law_works_as_it_is_written() -> None:
    latency = Quantity.of([40.0, 50.0, 50.0], "ms")
    assert (100 / latency).unit == "1/s"
    assert (100 / latency).median == pytest.approx(2000)
    assert (100 / latency).high == pytest.approx(2500)
    connections = rate(2000, 2000) * latency
    assert connections.median == pytest.approx(100)
    assert connections.unit == ""


def test_sums_and_differences_keep_the_unit_and_widen() -> None:
    difference = rate(100, 110, 120) - rate(10, 20, 30)
    assert (difference.median, difference.low, difference.high) == (90, 70, 110)
    assert (rate(1, 2) + rate(3, 4)).high == 6
    with pytest.raises(ValueError, match="1/s and ms cannot be added"):
        rate(1) + Quantity.of([1.0], "ms")
    with pytest.raises(ValueError, match="1/s times 1/s has no unit"):
        rate(1) * rate(1)


def test_a_generator_bound_rate_is_a_lower_bound_wherever_it_goes() -> None:
    bound = rate(60_000, 61_000, at_least=True)
    assert math.isinf(bound.high)
    assert (bound / rate(1000, 1000)).bound == "≥"
    assert (rate(1000, 1000) / bound).bound == "≤"
    assert (bound / bound).bound == "?"
    assert shown(bound).startswith("≥ ")
    assert shown(bound / bound) == "unknown"


def test_what_is_missing_stays_missing_and_says_why() -> None:
    missing = Quantity.missing("1/s", "step09: not measured")
    for result in (missing / rate(1), rate(1) / missing, missing * 2):
        assert result.is_missing
        assert result.doubt == "step09: not measured"
        assert shown(result) == "not measured"
        assert not result.differs_from(result)


def test_a_ratio_compares_like_with_like() -> None:
    other = rate(50, 50)
    both = replace(rate(100, 100, generator="wrk"), other=other)
    lab_alone = rate(10, 10)
    assert (both / lab_alone).median == 5
    assert (lab_alone / both).median == pytest.approx(1 / 5)
    assert (both / both).median == 1
    assert (1 / both * lab_alone).median == pytest.approx(1 / 5)


def test_spreads_that_overlap_do_not_differ() -> None:
    assert rate(1, 2).differs_from(rate(3, 4))
    assert rate(3, 4).differs_from(rate(1, 2))
    assert not rate(1, 3).differs_from(rate(3, 4))
    assert not rate(1).differs_from(rate(9)), "one repeat has no spread"
    assert not rate(1, 2, at_least=True).differs_from(rate(3, 4))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2284.0, "1/s", "2 280"),
        (18_860.0, "1/s", "18 900"),
        (999.6, "1/s", "1 000"),
        (9.96, "1/s", "9.96"),
        (43.88, "ms", "43.9 ms"),
        (0.0871, "ms", "87.1 µs"),
        (31.2, "", "31"),
        (0.2104, "", "0.21"),
        (0.996, "", "1.0"),
        (0.0, "", "0"),
        (21_000_000.0, "bytes", "20.0 MiB"),
        (512.0, "bytes", "512 bytes"),
        (3.78, "%", "3.78 %"),
        (-1234.0, "1/s", "-1 230"),
    ],
)
def test_figures_are_rounded_for_reading(value: float, unit: str, text: str) -> None:
    assert shown(Quantity.exactly(value, unit)) == text


def test_the_spread_names_the_unit_once() -> None:
    latency = Quantity.of([43.2, 44.0, 45.0], "ms")
    assert latency.spread().replace(THIN_SPACE, " ") == "43.2 to 45.0 ms"
    assert Quantity.exactly(2.0).spread() == "2.00"
    assert f"{latency:2}".replace(THIN_SPACE, " ") == "44 ms"
