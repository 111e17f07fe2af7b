"""How well a rule would have watched the recorded runs: delay, lead, false alarms, misses, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analyses.alarm_bench.runs import Run
from cotoolkit.intervals import wilson

HORIZON = 50
"""Iterations before a break from which an alarm counts as a warning of it; an earlier one is false."""

RESAMPLES = 2000
"""Of the bootstrap over runs, for the intervals of median and 90 % delay."""


@dataclass(frozen=True)
class Outcome:
    """What a rule did in one run.

    Attributes:
        kind: of the run, see `truth.Kind`.
        delay: alarm minus break, in iterations, of a collapse; negative when it came first; None if it was missed.
        false: alarms with no break near: all of a run that did not collapse, those before `HORIZON` of one that did.
    """

    kind: str
    delay: int | None
    false: int


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Score:
    """A rule over many runs.

    Attributes:
        collapses: runs that collapsed.
        missed: share of them without an alarm from `HORIZON` before the break on; Wilson interval.
        median: delay of the others, in iterations; bootstrap interval.
        ninety: 90th percentile of it.
        lead: share of collapses with an alarm before the break; Wilson interval.
        healthy: runs that stayed healthy.
        false: false alarms per healthy run; exact Poisson interval.
        other: runs that lost robustness gradually or diverged.
        other_false: alarms per such run; exact Poisson interval.
        premature: alarms per collapse more than `HORIZON` before the break; exact Poisson interval.
    """

    collapses: int
    missed: Interval
    median: Interval
    ninety: Interval
    lead: Interval
    healthy: int
    false: Interval
    other: int
    other_false: Interval
    premature: Interval


def outcome(run: Run, alarms: Sequence[int]) -> Outcome:
    """Hold the iterations of a rule's alarms against a run's truth."""
    broken_at = run.truth.broken_at
    if broken_at is None:
        return Outcome(run.truth.kind, None, len(alarms))
    near = [alarm - broken_at for alarm in alarms if alarm >= broken_at - HORIZON]
    return Outcome(run.truth.kind, near[0] if near else None, len(alarms) - len(near))


def score(outcomes: Sequence[Outcome], seed: int = 0) -> Score:
    """Sum up over runs; `unclear` ones count for nothing.

    Args:
        outcomes: of one rule.
        seed: of the bootstrap.
    """
    collapses = [found for found in outcomes if found.kind == "collapse"]
    healthy = [found.false for found in outcomes if found.kind == "healthy"]
    other = [found.false for found in outcomes if found.kind in ("gradual", "diverged")]
    delays = np.array([found.delay for found in collapses if found.delay is not None], dtype=float)
    return Score(
        len(collapses),
        share(len(collapses) - len(delays), len(collapses)),
        _percentile(delays, 50, seed),
        _percentile(delays, 90, seed),
        share(int((delays < 0).sum()), len(collapses)),
        len(healthy),
        rate(sum(healthy), len(healthy)),
        len(other),
        rate(sum(other), len(other)),
        rate(sum(found.false for found in collapses), len(collapses)),
    )


def share(hits: int, among: int) -> Interval:
    """A share with its Wilson interval; nan of nothing."""
    if among == 0:
        return Interval(np.nan, np.nan, np.nan)
    return Interval(hits / among, *wilson(hits, among))


def rate(events: int, runs: int) -> Interval:
    """Events per run with the exact Poisson interval (Garwood, 1936); nan of nothing."""
    if runs == 0:
        return Interval(np.nan, np.nan, np.nan)
    low = stats.chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    return Interval(events / runs, low / runs, stats.chi2.ppf(0.975, 2 * events + 2) / 2 / runs)


def _percentile(values: NDArray[np.float64], percent: float, seed: int) -> Interval:
    """A percentile with its bootstrap interval."""
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan)
    draws = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values)))
    low, high = np.percentile(np.percentile(draws, percent, axis=1), [2.5, 97.5])
    return Interval(float(np.percentile(values, percent)), float(low), float(high))
