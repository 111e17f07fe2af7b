"""Estimates with confidence intervals, over seeds or over units."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import real_array

CONFIDENCE = 0.95

ROUND_OFF = 1e-12
"""Spread, as a share of the largest value, up to which values are equal."""


class Estimate(NamedTuple):
    """A mean and its 95 % interval.

    Attributes:
        mean: of the known values.
        low: lower end of the interval; nan where there is none, as from fewer than two values.
        high: upper end.
        n: how many values.
    """

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.mean:.3g} (n = {self.n})"
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def estimate(values: ArrayLike) -> Estimate:
    """Mean and Student's t interval; values that are not finite are left out.

    >>> print(estimate([1.0, 2.0, 3.0]))
    2 [-0.484, 4.48]

    Raises:
        ConfigError: other than real numbers, (N,).
    """
    known = _finite(values)
    n = len(known)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, np.nan, np.nan, 1)
    if all_equal(known):
        return Estimate(mean, mean, mean, n)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * known.std(ddof=1) / np.sqrt(n)
    return Estimate(mean, mean - float(reach), mean + float(reach), n)


def all_equal(values: ArrayLike) -> bool:
    """Whether the finite values are all the same, but for round-off; false without any.

    >>> all_equal([0.3, 0.1 + 0.2, float("nan")])
    True

    Raises:
        ConfigError: other than real numbers, (N,).
    """
    known = _finite(values)
    return len(known) > 0 and bool(np.ptp(known) <= ROUND_OFF * np.abs(known).max())


def bootstrap(values: ArrayLike, seed: int = 0) -> Estimate:
    """Mean and bias-corrected bootstrap interval (9999 resamples), for many values of unknown distribution.

    Args:
        values: (N,); those that are not finite are left out.
        seed: of the resamples.

    Returns:
        The estimate.

    Raises:
        ConfigError: other than real numbers, (N,).
    """
    known = _finite(values)
    if len(known) < 2 or all_equal(known):
        return estimate(known)
    found = stats.bootstrap((known,), np.mean, confidence_level=CONFIDENCE, rng=np.random.default_rng(seed))
    low, high = found.confidence_interval
    return Estimate(float(known.mean()), float(low), float(high), len(known))


def share_interval(hits: int, of: int, method: Literal["exact", "wilson"] = "exact") -> tuple[float, float]:
    """95 % interval of a share: Clopper and Pearson's, which covers it at least as often as it says, or Wilson's.

    >>> low, high = share_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.308)
    """
    low, high = stats.binomtest(hits, of).proportion_ci(CONFIDENCE, method)
    return float(low), float(high)


def slope(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Least-squares slope of y on x and its t interval; nan without three points at two places.

    >>> slope([0, 1, 2, 3], [1, 3, 5, 7]).mean
    2.0

    Args:
        x: (N,).
        y: (N,); pairs that are not finite are left out.

    Returns:
        The slope, in units of y over units of x.

    Raises:
        ConfigError: other than real numbers, or not as many of both.
    """
    places, values = _pairs(x, y)
    n = len(places)
    if n < 3 or np.ptp(places) == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    line = stats.linregress(places, values)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 2) * line.stderr
    return Estimate(float(line.slope), float(line.slope - reach), float(line.slope + reach), n)


def rank_correlation(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Spearman's rank correlation and its interval by Fisher's z (Bonett & Wright, 2000).

    >>> rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]).mean
    0.9

    Args:
        x: (N,).
        y: (N,); pairs that are not finite are left out.

    Returns:
        The correlation, in [-1, 1]. Without an interval where it is -1 or 1: Fisher's z is infinite there, and of four
        unrelated pairs one set in twelve comes out so.

    Raises:
        ConfigError: other than real numbers, or not as many of both.
    """
    first, second = _pairs(x, y)
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    found = round(float(stats.spearmanr(first, second).statistic), 12)
    if abs(found) == 1:
        return Estimate(found, np.nan, np.nan, n)
    reach = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt((1 + found**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(found) + np.array([-reach, reach]))
    return Estimate(found, float(low), float(high), n)


def paired_p(values: ArrayLike, null: float = 0.0) -> float:
    """Two-sided p of a t test that the mean of paired differences is `null`; nan from fewer than two.

    Args:
        values: (N,); those that are not finite are left out.
        null: the mean asked about.

    Returns:
        p.

    Raises:
        ConfigError: other than real numbers, (N,).
    """
    known = _finite(values)
    if len(known) < 2:
        return float("nan")
    if all_equal(known):
        return float(all_equal([*known, null]))
    return float(stats.ttest_1samp(known, null).pvalue)


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's step-down adjustment of p values for asking several questions; nan stays nan and does not count.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]

    Raises:
        ConfigError: other than real numbers in [0, 1] or nan, (N,).
    """
    given = real_array(p, "p values", 1, finite=False)
    if ((given < 0) | (given > 1)).any():
        raise ConfigError(f"p values: give numbers in [0, 1], not from {np.nanmin(given):g} to {np.nanmax(given):g}")
    adjusted = np.full(len(given), np.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(given[order] * factors))
    return adjusted


def _finite(values: ArrayLike) -> np.ndarray:
    known = real_array(values, "values", 1, finite=False)
    return known[np.isfinite(known)]


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = real_array(x, "x", 1, finite=False), real_array(y, "y", 1, finite=False)
    if len(first) != len(second):
        raise ConfigError(f"{len(first)} values of x and {len(second)} of y: give as many of both")
    known = np.isfinite(first) & np.isfinite(second)
    return first[known], second[known]
