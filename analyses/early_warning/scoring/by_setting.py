"""Intervals of shares, rates and percentiles over runs that come in families: the settings, not the runs, are drawn.

Runs of one setting differ in their seed alone, so they succeed and fail together more often than runs of different
settings; an interval that takes them for independent is too short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 1000
"""Of the bootstrap."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


NOTHING = Interval(np.nan, np.nan, np.nan)
"""Of no runs."""


def design_effect(events: Sequence[float], settings: Sequence[str], binomial: bool) -> float:
    """How many times larger the variance of a mean is than for independent runs (Kish, 1965); at least 1.

    The variance is that of a ratio over clusters, sum of squares of (events - mean * runs) of each setting, times
    k / (k - 1) for k settings.

    Args:
        events: of each run.
        settings: of each run.
        binomial: whether independent runs would have the variance of shares, p (1 - p), else of counts, the mean.

    Returns:
        1 where nothing or everything happened, or with a single setting: there the data say nothing of it.
    """
    values, count = np.asarray(events, dtype=float), len(events)
    mean = float(values.mean())
    alone = mean * (1 - mean) if binomial else mean
    _, of = np.unique(np.asarray(settings), return_inverse=True)
    clusters = int(of.max()) + 1
    if alone <= 0 or clusters == 1:
        return 1.0
    residuals = np.bincount(of, weights=values - mean)
    between = clusters / (clusters - 1) * float((residuals**2).sum()) / count**2
    return max(1.0, between / (alone / count))


def share(hits: Sequence[bool], settings: Sequence[str]) -> Interval:
    """A share with its interval after Korn & Graubard (1998): Clopper & Pearson's for the effective number of runs.

    The effective number is that of runs over their design effect. Without a hit it is the number of runs.

    Args:
        hits: of each run or break.
        settings: of each.
    """
    if not hits:
        return NOTHING
    effective = len(hits) / design_effect([float(hit) for hit in hits], settings, binomial=True)
    value = sum(hits) / len(hits)
    found = value * effective
    low = stats.beta.ppf(0.025, found, effective - found + 1) if value > 0 else 0.0
    high = stats.beta.ppf(0.975, found + 1, effective - found) if value < 1 else 1.0
    return Interval(value, float(low), float(high))


def rate(events: Sequence[int], settings: Sequence[str]) -> Interval:
    """Events per run with Garwood's exact Poisson interval (1936) for events and runs over their design effect.

    Args:
        events: of each run.
        settings: of each.
    """
    if not events:
        return NOTHING
    effect = design_effect(events, settings, binomial=False)
    found, runs = sum(events) / effect, len(events) / effect
    low = stats.chi2.ppf(0.025, 2 * found) / 2 if found else 0.0
    return Interval(
        sum(events) / len(events), float(low / runs), float(stats.chi2.ppf(0.975, 2 * found + 2) / 2 / runs)
    )


def percentiles(values: Sequence[float], settings: Sequence[str], at: Sequence[float], seed: int = 0) -> list[Interval]:
    """Percentiles with intervals of the cluster bootstrap: whole settings are drawn, with what they hold.

    With a single setting its runs are drawn.

    Args:
        values: of each run or break.
        settings: of each.
        at: which percentiles.
        seed: of the draws.
    """
    if not values:
        return [NOTHING] * len(at)
    known, names = np.asarray(values, dtype=float), np.asarray(settings)
    single = len(set(settings)) == 1
    parts = np.split(known, len(known)) if single else [known[names == name] for name in sorted(set(settings))]
    draws = np.random.default_rng(seed)
    chosen = (draws.integers(len(parts), size=len(parts)) for _ in range(RESAMPLES))
    drawn = np.array([np.percentile(np.concatenate([parts[i] for i in one]), at) for one in chosen])
    lows, highs = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [Interval(*map(float, found)) for found in zip(np.percentile(known, at), lows, highs, strict=True)]
