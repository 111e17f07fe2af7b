"""The interval of a difference of shares of pairs, exact without regard to how many of the pairs differ."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import gammaln, xlogy

from analyses.core.statistics import CONFIDENCE

STEPS = 200
"""Differences that are tried between 0 and 1; the interval ends at the last one that is rejected."""

NUISANCES = 101
"""Shares of pairs that are tried with each difference."""

TIE = 1e-9
"""Scores closer than this are equal."""


def paired_interval(only_first: int, only_second: int, pairs: int) -> tuple[float, float]:
    """95 % interval of the share of pairs with an event in the first only, minus that in the second only.

    The exact unconditional interval of Tango's score (Statistics in Medicine, 1998): a difference is rejected where,
    however many pairs differ, a score as far on the same side has less than 2.5 % (as Hsueh, Liu and Chen do,
    Biometrics, 2001).

    >>> paired_interval(6, 0, 6)
    (0.08, 1.0)

    Args:
        only_first: pairs with the event in the first group only.
        only_second: pairs with it in the second only.
        pairs: all of them, at least 1.

    Returns:
        Its ends, in [-1, 1], multiples of 1 / 200.
    """
    highs = _highs(pairs)
    return 0.0 - highs[only_second, only_first], highs[only_first, only_second]


@lru_cache(maxsize=64)
def _highs(pairs: int) -> dict[tuple[int, int], float]:
    """The upper end by outcome: the least difference from which on all are rejected."""
    counts = np.array([(a, b) for a in range(pairs + 1) for b in range(pairs + 1 - a)])
    highs = np.full(len(counts), np.nan)
    for step in range(STEPS, -STEPS - 1, -1):
        scores = _scores(counts, pairs, step / STEPS)
        order = np.argsort(scores)
        as_low = np.searchsorted(scores[order], scores + TIE, side="right") - 1
        tails = np.cumsum(_likely(counts[order], pairs, step / STEPS), axis=1).max(0)[as_low]
        highs[np.isnan(highs) & (tails >= (1 - CONFIDENCE) / 2)] = min(step + 1, STEPS) / STEPS
    return {(a, b): high for (a, b), high in zip(counts.tolist(), highs.tolist(), strict=True)}


def _scores(counts: np.ndarray, pairs: int, difference: float) -> np.ndarray:
    """Tango's score of each outcome (outcomes, 2) at a difference; infinite where the difference rules it out."""
    first, second = counts.T
    b = (2 * pairs + second - first) * difference - first - second  # his quadratic for the share of the second only
    c = -second * difference * (1 - difference)
    share = (np.sqrt(np.maximum(b**2 - 8 * pairs * c, 0)) - b) / (4 * pairs)
    variance = pairs * (2 * share + difference * (1 - difference))
    excess = first - second - pairs * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.asarray(excess / np.sqrt(np.maximum(variance, 0)))
    return np.where(np.abs(excess) < TIE, 0.0, scores)


def _likely(counts: np.ndarray, pairs: int, difference: float) -> np.ndarray:
    """The probabilities of outcomes (outcomes, 2) at a difference, by the share that differs: (NUISANCES, outcomes)."""
    second = np.linspace(max(0.0, -difference), (1 - difference) / 2, NUISANCES)[:, None]
    first, rest = second + difference, np.maximum(1 - difference - 2 * second, 0)
    a, b = counts.T
    c = pairs - a - b
    ways = gammaln(pairs + 1) - gammaln(a + 1) - gammaln(b + 1) - gammaln(c + 1)
    return np.asarray(np.exp(ways + xlogy(a, np.maximum(first, 0)) + xlogy(b, second) + xlogy(c, rest)))
