"""How sure a figure is: 95 % confidence intervals of a share, of a mean, and of the difference of two of them.

Nothing here asks the database: counts, sums and sums of squares are enough, however many people stand behind them.
"""

from math import erf, exp, isinf, lgamma, log, sqrt
from typing import NamedTuple

CONFIDENCE = 0.95
NORMAL = 1.959964  # standard errors on either side of a mean, of many
POWER = 0.841621  # so many more, and a true difference shows four times in five
MANY = 10_000  # from so many degrees of freedom Student's distribution is the normal one
STEPS = 300  # of a continued fraction or a bisection, at most
TINY = 1e-300
CLOSE = 1e-13


class Interval(NamedTuple):
    """From ``low`` to ``high``, both included."""

    low: float
    high: float

    @property
    def shows_difference(self) -> bool:
        """Of a difference: whether 0 lies outside."""
        return self.low > 0 or self.high < 0


class Sample(NamedTuple):
    """So many figures, their sum and the sum of their squares."""

    number: int
    total: int
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.number if self.number else 0.0

    @property
    def variance(self) -> float:
        """Of the population they are drawn from; 0 where one figure says nothing about it."""
        if self.number < 2:
            return 0.0
        return max(self.squares - self.total * self.total / self.number, 0.0) / (self.number - 1)

    @property
    def error(self) -> float:
        """The square of the mean's standard error."""
        return self.variance / self.number if self.number else 0.0


def wilson(hits: int, tries: int) -> Interval | None:
    """The interval of a share by Wilson's method: sensible also near 0 and 1 and for few tries; None without any."""
    if not tries:
        return None
    share, spread = hits / tries, NORMAL * NORMAL / tries
    middle = (share + spread / 2) / (1 + spread)
    half = NORMAL * sqrt(share * (1 - share) / tries + spread / (4 * tries)) / (1 + spread)
    low = 0.0 if hits == 0 else max(middle - half, 0.0)
    high = 1.0 if hits == tries else min(middle + half, 1.0)
    return Interval(low, high)


def newcombe(one: tuple[int, int], other: tuple[int, int]) -> Interval | None:
    """The difference of two shares, each (hits, tries), by Newcombe's method from their Wilson intervals.

    Sensible also where hardly anybody or nearly everybody hits; None where a group is empty.
    """
    (hits, tries), (other_hits, other_tries) = one, other
    first, second = wilson(hits, tries), wilson(other_hits, other_tries)
    if first is None or second is None:
        return None
    share, other_share = hits / tries, other_hits / other_tries
    difference = share - other_share
    below = sqrt((share - first.low) ** 2 + (second.high - other_share) ** 2)
    above = sqrt((first.high - share) ** 2 + (other_share - second.low) ** 2)
    return Interval(difference - below, difference + above)


def smallest_shown(share: float, tries: int, other_tries: int) -> float | None:
    """How far two shares near ``share`` must truly differ for the difference to show four times in five."""
    if not (tries and other_tries):
        return None
    return (NORMAL + POWER) * sqrt(share * (1 - share) * (1 / tries + 1 / other_tries))


def mean_interval(sample: Sample) -> Interval | None:
    """Mean ± 1.96 · sd / √n; None of fewer than two."""
    if sample.number < 2:
        return None
    half = NORMAL * sqrt(sample.error)
    return Interval(sample.mean - half, sample.mean + half)


def welch(one: Sample, other: Sample) -> Interval | None:
    """The difference of two means by Welch's method: the groups may differ in size and in spread.

    None where a group has fewer than two, or where neither varies: then nothing can be said of chance.
    """
    if min(one.number, other.number) < 2 or one.error + other.error <= 0:
        return None
    both = one.error + other.error
    freedom = both * both / (one.error**2 / (one.number - 1) + other.error**2 / (other.number - 1))
    half = student(freedom) * sqrt(both)
    difference = one.mean - other.mean
    return Interval(difference - half, difference + half)


def student(freedom: float) -> float:
    """Between minus and plus this value lie 95 % of Student's distribution."""
    if freedom >= MANY or isinf(freedom):
        return NORMAL
    low, high = 0.0, 1.0
    while _within(high, freedom) < CONFIDENCE:
        high *= 2
    for _ in range(STEPS):
        middle = (low + high) / 2
        if high - low < CLOSE * high:
            break
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _within(value: float, freedom: float) -> float:
    """How much of Student's distribution lies between minus and plus ``value``."""
    if freedom >= MANY:
        return erf(value / sqrt(2))
    return 1 - _incomplete_beta(freedom / (freedom + value * value), freedom / 2, 0.5)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    result = 1 / _apart(1 - (a + b) * x / (a + 1))
    c, d = 1.0, result
    for step in range(1, STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        change = 1.0
        for part in (even, odd):
            d = 1 / _apart(1 + part * d)
            c = _apart(1 + part / c)
            change = c * d
            result *= change
        if abs(change - 1) < CLOSE:
            break
    return result


def _apart(value: float) -> float:
    """Not so near to 0 that nothing can be divided by it."""
    return value if abs(value) > TINY else TINY
