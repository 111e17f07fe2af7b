"""Survival of runs until an event: the Kaplan-Meier estimate and the log-rank test."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analyses.core.statistics import CONFIDENCE
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import mark_array, real_array


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
        times: (N,), of the event, or of the end; at least 0.
        happened: (N,) bool or {0, 1}, whether the event happened then; a run without one is censored.

    Returns:
        The share of runs without an event.

    Raises:
        ConfigError: other values, shapes that do not fit, or no run.
    """
    known = stats.ecdf(_censored(times, happened)).sf
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # says that the ends are nan where they are
        interval = known.confidence_interval(CONFIDENCE, method="log-log")
    steps = [known, interval.low, interval.high]
    starts = (1.0, np.nan, np.nan)
    share, low, high = (np.r_[start, part.probabilities] for start, part in zip(starts, steps, strict=True))
    return Survival(np.r_[0.0, known.quantiles], share, low, high)


class LogRank(NamedTuple):
    """The log-rank test that two groups have their events alike.

    Attributes:
        z: normal score, above 0 where the first group has fewer events than it should: later, or more rarely.
        p: two-sided.
    """

    z: float
    p: float


def log_rank(times: ArrayLike, happened: ArrayLike, other_times: ArrayLike, other_happened: ArrayLike) -> LogRank:
    """The log-rank test that two groups have their events alike; nan where neither has any.

    Args:
        times: (N,), of the event, or of the end; at least 0.
        happened: (N,) bool or {0, 1}, whether the event happened then.
        other_times: (M,), of the other group.
        other_happened: (M,), of the other group.

    Returns:
        The score and its p.

    Raises:
        ConfigError: other values, shapes that do not fit, or no run.
    """
    first, second = _censored(times, happened), _censored(other_times, other_happened)
    if not (mark_array(happened, "happened").any() or mark_array(other_happened, "happened").any()):
        return LogRank(np.nan, np.nan)
    found = stats.logrank(first, second)
    return LogRank(-float(found.statistic), float(found.pvalue))


def _censored(times: ArrayLike, happened: ArrayLike) -> stats.CensoredData:
    known, marks = real_array(times, "times", 1), mark_array(happened, "happened", 1)
    if len(known) != len(marks) or len(known) == 0 or known.min() < 0:
        raise ConfigError(f"{len(known)} times and {len(marks)} marks: give both of every run, and no time below 0")
    return stats.CensoredData.right_censored(known, ~marks)
