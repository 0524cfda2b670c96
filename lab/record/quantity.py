"""A measured figure with its spread, and the arithmetic that keeps the spread.

A `Quantity` is what a record answers when asked for a rate or a latency: the
median of the repeats, the lowest and the highest of them, and a unit. The true
value is taken to lie somewhere in ``low..high``, and arithmetic is interval
arithmetic, so a ratio of two noisy figures is as wide as the two make it.

What is not known is an open interval, never a guess:

- a rate that the generator limited is only a lower bound: ``high`` is infinite;
- a latency that the generator limited is only an upper bound: ``low`` is 0;
- what was not measured has no median at all (NaN) and both ends open.

`doubt` says in words why, for whoever prints the figure.

Units: "1/s" (requests a second), "ms", "%" (of one core), "bytes", and "" for a
plain number. Little's law works as written: ``100 / latency`` is a rate, and
``rate * latency`` is a number of connections.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

#: U+202F, the narrow no-break space that stands between thousands.
THIN_SPACE = "\u202f"

#: `Quantity.repeats` of a number that was not measured but given.
EXACT = 1_000_000

#: unit * unit -> unit, and the factor that brings milliseconds and seconds together.
_PRODUCTS = {
    ("1/s", "ms"): ("", 1e-3),
    ("ms", "1/s"): ("", 1e-3),
}
#: 1 / unit, likewise.
_INVERSES = {"": ("", 1.0), "ms": ("1/s", 1e3), "1/s": ("ms", 1e3)}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A median, the interval that holds the true value, a unit and any doubt."""

    median: float
    low: float
    high: float
    unit: str = ""
    doubt: str | None = None
    #: The least number of repeats behind it; one repeat has no spread.
    repeats: int = EXACT
    #: "wrk" or "lab", where that makes sense.
    generator: str | None = None
    #: The same question as the other generator answered it. Arithmetic between a
    #: figure from wrk and one that only the lab measured uses it, so that a ratio
    #: never compares two generators where it could compare two servers.
    other: Quantity | None = None

    @classmethod
    def of(
        cls,
        values: Sequence[float],
        unit: str,
        *,
        at_least: bool = False,
        at_most: bool = False,
        doubt: str | None = None,
        generator: str | None = None,
    ) -> Quantity:
        """The quantity that these repeats measured.

        at_least, at_most: the repeats bound the true value from one side only.
        """
        return cls(
            median=statistics.median(values),
            low=0.0 if at_most else min(values),
            high=math.inf if at_least else max(values),
            unit=unit,
            doubt=doubt,
            repeats=len(values),
            generator=generator,
        )

    @classmethod
    def exactly(cls, value: float, unit: str = "") -> Quantity:
        return cls(median=value, low=value, high=value, unit=unit)

    @classmethod
    def missing(cls, unit: str, doubt: str) -> Quantity:
        return cls(
            median=math.nan,
            low=-math.inf,
            high=math.inf,
            unit=unit,
            doubt=doubt,
            repeats=0,
        )

    # -- what can be said about it -------------------------------------------

    @property
    def is_missing(self) -> bool:
        return math.isnan(self.median)

    @property
    def bound(self) -> str:
        """ "≥" or "≤" where it is known from one side only, "?" where from none."""
        open_above = math.isinf(self.high)
        open_below = self.low <= 0.0 and self.median > 0.0
        if open_above and open_below:
            return "?"
        return "≥" if open_above else "≤" if open_below else ""

    def differs_from(self, other: Quantity) -> bool:
        """Whether the two spreads do not overlap. Figures from one repeat never do."""
        left, right = _aligned(self, other)
        if left.is_missing or right.is_missing or min(left.repeats, right.repeats) < 2:
            return False
        return left.low > right.high or left.high < right.low

    # -- arithmetic ----------------------------------------------------------

    def __add__(self, right: Quantity | float) -> Quantity:
        return _combined(_add, self, _quantity(right))

    def __sub__(self, right: Quantity | float) -> Quantity:
        return _combined(_subtract, self, _quantity(right))

    def __mul__(self, right: Quantity | float) -> Quantity:
        return _combined(_multiply, self, _quantity(right))

    def __truediv__(self, right: Quantity | float) -> Quantity:
        return _combined(_divide, self, _quantity(right))

    def __radd__(self, left: float) -> Quantity:
        return _quantity(left) + self

    def __rsub__(self, left: float) -> Quantity:
        return _quantity(left) - self

    def __rmul__(self, left: float) -> Quantity:
        return _quantity(left) * self

    def __rtruediv__(self, left: float) -> Quantity:
        return _quantity(left) / self

    # -- words ---------------------------------------------------------------

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, spec: str) -> str:
        """The median with its unit; `spec` is the number of significant digits.

        Without one: three digits, two for a plain number.
        """
        if self.is_missing:
            return "not measured"
        if self.bound == "?":
            return "unknown"
        digits = int(spec) if spec else (3 if self.unit else 2)
        text = format_value(self.median, self.unit, digits)
        return f"{self.bound}{THIN_SPACE}{text}" if self.bound else text

    def spread(self) -> str:
        """The interval in words, such as "2 250 to 2 310"; the value if it has none."""
        if self.bound or self.is_missing or self.low == self.high:
            return format(self, "3")
        low = format_value(self.low, self.unit, 3)
        high = format_value(self.high, self.unit, 3)
        if low == high:
            return low
        return f"{low.removesuffix(THIN_SPACE + self.unit)} to {high}"


def format_value(value: float, unit: str, digits: int) -> str:
    """`value` with so many significant digits, thin thousands, and its unit.

    A rate stands without its unit, for "requests a second" belongs to the sentence.
    """
    if unit == "ms" and abs(value) < 0.1:
        value, unit = value * 1000, "µs"
    if unit == "bytes":
        for name in ("bytes", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or name == "GiB":
                break
            value /= 1024
        unit = name
    text = significant(value, digits)
    if unit in ("", "1/s"):
        return text
    return text + THIN_SPACE + unit


def significant(value: float, digits: int) -> str:
    """Such as "2 280", "43.9", "0.0142": rounded to significant digits."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    rounded = round(value, digits - 1 - magnitude)
    # Rounding may carry: 9.996 with three digits is 10.0, not 10.00.
    magnitude = math.floor(math.log10(abs(rounded)))
    decimals = max(0, digits - 1 - magnitude)
    return f"{rounded:,.{decimals}f}".replace(",", THIN_SPACE)


#: Median, low and high of a result, and its unit.
_Result = tuple[float, float, float, str]
_Operation = Callable[[Quantity, Quantity], _Result]


def _quantity(value: Quantity | float) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity.exactly(value)


def _aligned(left: Quantity, right: Quantity) -> tuple[Quantity, Quantity]:
    """Both of one generator, if there is one that measured both."""
    if left.generator and right.generator and left.generator != right.generator:
        if left.other is not None:
            left = left.other
        elif right.other is not None:
            right = right.other
    return left, right


def _combined(operation: _Operation, left: Quantity, right: Quantity) -> Quantity:
    """What the operation makes of both, with their doubts, for each generator."""
    left, right = _aligned(left, right)
    median, low, high, unit = operation(left, right)
    doubts = dict.fromkeys(doubt for doubt in (left.doubt, right.doubt) if doubt)
    other = None
    if left.other or right.other:
        # A given number is the same for both generators.
        other_left = left.other or (None if left.generator else left)
        other_right = right.other or (None if right.generator else right)
        if other_left and other_right:
            other = _combined(operation, other_left, other_right)
    return Quantity(
        median=median,
        low=low,
        high=high,
        unit=unit,
        doubt="; ".join(doubts) or None,
        repeats=min(left.repeats, right.repeats),
        generator=left.generator or right.generator,
        other=other,
    )


def _add(left: Quantity, right: Quantity) -> _Result:
    unit = _same_unit(left, right)
    return (
        left.median + right.median,
        left.low + right.low,
        left.high + right.high,
        unit,
    )


def _subtract(left: Quantity, right: Quantity) -> _Result:
    unit = _same_unit(left, right)
    return (
        left.median - right.median,
        left.low - right.high,
        left.high - right.low,
        unit,
    )


def _multiply(left: Quantity, right: Quantity) -> _Result:
    if not left.unit or not right.unit:
        unit, factor = left.unit or right.unit, 1.0
    elif (left.unit, right.unit) in _PRODUCTS:
        unit, factor = _PRODUCTS[left.unit, right.unit]
    else:
        raise ValueError(f"{left.unit} times {right.unit} has no unit here")
    ends = [
        _times(a, b) * factor
        for a in (left.low, left.high)
        for b in (right.low, right.high)
    ]
    return left.median * right.median * factor, min(ends), max(ends), unit


def _divide(left: Quantity, right: Quantity) -> _Result:
    if left.unit == right.unit:
        left, right = replace(left, unit=""), replace(right, unit="")
    if (left.unit and right.unit) or right.unit not in _INVERSES:
        raise ValueError(
            f"{left.unit or 'a number'} divided by {right.unit} has no unit here"
        )
    unit, factor = _INVERSES[right.unit]
    if right.low < 0.0 < right.high:
        low, high = -math.inf, math.inf
    else:
        # An end at 0 turns into an open end, and an open end into 0.
        low = factor / right.high if right.high else -math.inf
        high = factor / right.low if right.low else math.inf
    median = factor / right.median if right.median else math.inf
    return _multiply(left, Quantity(median, low, high, unit))


def _times(a: float, b: float) -> float:
    """A product of interval ends, where nothing times anything is nothing."""
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def _same_unit(left: Quantity, right: Quantity) -> str:
    if left.unit != right.unit:
        units = (left.unit or "a number", right.unit or "a number")
        raise ValueError(f"{units[0]} and {units[1]} cannot be added or subtracted")
    return left.unit


def duration(seconds: float) -> str:
    """Such as "40 s" or "18 min"."""
    if seconds < 100:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min"
