"""Estimates with confidence intervals, over seeds or over units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean and its 95 % interval.

    Attributes:
        mean: of the known values.
        low: lower end of the interval; nan from fewer than two values.
        high: upper end.
        n: how many values.
    """

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def estimate(values: ArrayLike) -> Estimate:
    """Mean and Student's t interval; values that are nan are left out.

    >>> print(estimate([1.0, 2.0, 3.0]))
    2 [-0.484, 4.48]
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    n = len(known)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, np.nan, np.nan, 1)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * known.std(ddof=1) / np.sqrt(n)
    return Estimate(mean, mean - float(reach), mean + float(reach), n)


def bootstrap(values: ArrayLike, seed: int = 0) -> Estimate:
    """Mean and bias-corrected bootstrap interval (9999 resamples), for many values of unknown distribution."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < 2 or np.ptp(known) == 0:
        return estimate(known)
    found = stats.bootstrap((known,), np.mean, confidence_level=CONFIDENCE, rng=np.random.default_rng(seed))
    low, high = found.confidence_interval
    return Estimate(float(known.mean()), float(low), float(high), len(known))


def slope(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Least-squares slope of y on x and its t interval; nan without three points at two places.

    >>> slope([0, 1, 2, 3], [1, 3, 5, 7]).mean
    2.0
    """
    places, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.isfinite(places) & np.isfinite(values)
    places, values = places[known], values[known]
    n = len(places)
    if n < 3 or np.ptp(places) == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    line = stats.linregress(places, values)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 2) * line.stderr
    return Estimate(float(line.slope), float(line.slope - reach), float(line.slope + reach), n)


def rank_correlation(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Spearman's rank correlation and its interval by Fisher's z (Bonett & Wright, 2000); nan values are left out.

    >>> rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]).mean
    0.9
    """
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.isfinite(first) & np.isfinite(second)
    n = int(known.sum())
    if n < 4 or np.ptp(first[known]) == 0 or np.ptp(second[known]) == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    found = round(float(stats.spearmanr(first[known], second[known]).statistic), 12)
    if abs(found) == 1:
        return Estimate(found, found, found, n)
    reach = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt((1 + found**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(found) + np.array([-reach, reach]))
    return Estimate(found, float(low), float(high), n)


def paired_p(values: ArrayLike, null: float = 0.0) -> float:
    """Two-sided p of a t test that the mean of paired differences is `null`; nan from fewer than two."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return float("nan")
    if np.ptp(known) == 0:
        return float(known[0] == null)
    return float(stats.ttest_1samp(known, null).pvalue)


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's step-down adjustment of p values for asking several questions; nan stays nan and does not count.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=float)
    adjusted = np.full(len(given), np.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(given[order] * factors))
    return adjusted
