"""Survival of runs until an event: the Kaplan-Meier estimate and the log-rank test."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analyses.core.statistics import CONFIDENCE


class Survival(NamedTuple):
    """Share of runs without an event so far, as a step function; the Kaplan-Meier estimate.

    Attributes:
        times: of the steps, in order, from 0.
        share: from each time on.
        low: lower end of the 95 % interval (log-log); nan where nobody has had the event, or all have.
        high: upper end.
    """

    times: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def kaplan_meier(times: ArrayLike, happened: ArrayLike) -> Survival:
    """Survival of runs that were watched until an event, or until they ended without one.

    >>> kaplan_meier([1, 2, 2, 3], [True, True, False, True]).share.tolist()
    [1.0, 0.75, 0.5, 0.0]

    Args:
        times: of the event, or of the end.
        happened: whether the event happened then; a run without one is censored.
    """
    known = stats.ecdf(_censored(times, happened)).sf
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # says that the ends are nan where they are
        interval = known.confidence_interval(CONFIDENCE, method="log-log")
    steps = [known, interval.low, interval.high]
    starts = (1.0, np.nan, np.nan)
    share, low, high = (np.r_[start, part.probabilities] for start, part in zip(starts, steps, strict=True))
    return Survival(np.r_[0.0, known.quantiles], share, low, high)


def log_rank(times: ArrayLike, happened: ArrayLike, other_times: ArrayLike, other_happened: ArrayLike) -> float:
    """Two-sided p of the log-rank test that two groups have their events alike; nan where neither has any."""
    if not (np.any(happened) or np.any(other_happened)):
        return float("nan")
    found = stats.logrank(_censored(times, happened), _censored(other_times, other_happened))
    return float(found.pvalue)


def _censored(times: ArrayLike, happened: ArrayLike) -> stats.CensoredData:
    return stats.CensoredData.right_censored(np.asarray(times, dtype=float), ~np.asarray(happened, dtype=bool))
