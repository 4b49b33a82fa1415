"""The mean of a number over several runs, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

CONFIDENCE = 0.95
METHOD = "95% confidence interval of the mean by Student's t"
_LEAST, _MOST = 1e-3, 1e7  # numbers that are shown without a power of ten
_LARGEST = 1e150  # whose square is a number


class Estimate(float):
    """The mean over *count* runs, *half* being half the width of its confidence interval; *unit* is what was varied.

    In comparisons and sums it is the mean.
    """

    half: float
    count: int
    unit: str

    def __new__(cls, mean: float, half: float, count: int, unit: str = "seed") -> Estimate:
        made = super().__new__(cls, mean)
        made.half, made.count, made.unit = half, count, unit
        return made

    @classmethod
    def of(cls, values: Sequence[float], unit: str = "seed") -> Estimate:
        """That of two or more values: mean ± t s / √n (Student 1908), s being the standard deviation with n - 1.

        Raises:
            OverflowError: they are too large.
        """
        count = len(values)
        if not max(map(abs, values)) < _LARGEST:
            raise OverflowError("the values are too large")
        if min(values) == max(values):
            return cls(values[0], 0.0, count, unit)
        mean = math.fsum(values) / count
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
        return cls(mean, student_t(count - 1) * deviation / math.sqrt(count), count, unit)

    @property
    def runs(self) -> str:
        """How many runs it is of: "5 seeds"."""
        return counted(self.count, self.unit)

    def parts(self, percent: bool = False) -> tuple[str, str]:
        """The mean and the interval: this to one significant digit, to two if it begins with 1, the mean to its place."""
        if self.half == 0:
            return _plain(float(self), percent), "0%" if percent else "0"
        mean, half, sign = (100 * self, 100 * self.half, "%") if percent else (float(self), self.half, "")
        largest = max(abs(mean), half)
        if not percent and not _LEAST <= largest < _MOST:
            power = int(f"{largest:e}".partition("e")[2])
            mean, half, sign = mean / 10.0**power, half / 10.0**power, f"e{power}"
        first, second = _together(mean, half)
        return first + sign, second + sign

    def rounded(self, percent: bool = False) -> str:
        """Both: ``0.9931 ± 0.0004``, ``99.31% ± 0.04%``, ``(1.22 ± 0.06)e-5``."""
        mean, half = self.parts(percent)
        number, e, power = half.partition("e")
        return f"({mean.partition('e')[0]} ± {number})e{power}" if e else f"{mean} ± {half}"


def counted(count: int, unit: str) -> str:
    """How many runs there are that differ in a parameter: "5 seeds"."""
    return f"{count} seeds" if unit == "seed" else f"{count} values of {unit}"


def _plain(value: float, percent: bool) -> str:
    shown = 100 * value if percent else value
    comma = "," if abs(shown) >= 10_000 else ""
    text = f"{int(shown):{comma}}" if shown == int(shown) and abs(shown) < _MOST else f"{shown:.4g}"
    return f"{text}%" if percent else text


def _together(mean: float, half: float) -> tuple[str, str]:
    """A number and its interval, to the same place; thousands are grouped from five digits on."""
    digits, _, power = f"{half:e}".partition("e")
    places = -int(power) + (digits[0] == "1")
    rounded = [round(value, places) + 0.0 for value in (mean, half)]
    comma = "," if max(map(abs, rounded)) >= 10_000 else ""
    first, second = (f"{value:{comma}.{max(places, 0)}f}" for value in rounded)
    return first, second


@cache
def student_t(freedom: int) -> float:
    """The t that a variable of Student's distribution exceeds in absolute value with a probability of 5%.

    *freedom* is the degrees of freedom, >= 1. The probability is a finite sum (Abramowitz and Stegun 1964, 26.7.3 and
    26.7.4), which is solved for t by bisection.
    """
    low, high = 0.0, 16.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """The probability that the absolute value is at most *t*."""
    theta = math.atan2(t, math.sqrt(freedom))
    cos_squared = math.cos(theta) ** 2
    is_odd = freedom % 2
    term = math.cos(theta) if is_odd else 1.0
    total = 0.0
    for n in range(3 if is_odd else 2, freedom + 1, 2):  # one term each, none for one degree of freedom
        total += term
        term *= cos_squared * (n - 1) / n
    if is_odd:
        return 2 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total
