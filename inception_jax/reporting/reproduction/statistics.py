"""Means over seeds, and differences of means, with the intervals that few runs allow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import t

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean with its interval.

    Attributes:
      mean: of the values, or the difference of two means.
      deviation: sample standard deviation (of a difference: its standard error); None of one value.
      low: lower end of the interval in which the true mean lies with 95 % confidence; minus infinity if unknown.
      high: upper end; infinity if unknown.
      count: values.
    """

    mean: float
    deviation: float | None
    low: float
    high: float
    count: int

    @property
    def known(self) -> bool:
        """Whether there are values enough for an interval."""
        return math.isfinite(self.low)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and Student's interval of at least one value."""
    mean, count = statistics.fmean(values), len(values)
    if count < 2:
        return Estimate(mean, None, -math.inf, math.inf, count)
    deviation = statistics.stdev(values)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * deviation / math.sqrt(count)
    return Estimate(mean, deviation, mean - half, mean + half, count)


def difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Mean of `first` minus mean of `second`, with Welch's interval: the variances may differ."""
    mean = statistics.fmean(first) - statistics.fmean(second)
    count = min(len(first), len(second))
    if count < 2:
        return Estimate(mean, None, -math.inf, math.inf, count)
    a, b = (statistics.variance(values) / len(values) for values in (first, second))
    error = math.sqrt(a + b)
    if not error:
        return Estimate(mean, 0.0, mean, mean, count)
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Estimate(mean, error, mean - half, mean + half, count)
