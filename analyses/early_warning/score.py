"""How well a rule would have watched the recorded runs: delay, lead, false alarms, misses, with their uncertainty.

And how well the engine dates the breaks that it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import stats

from analyses.early_warning.runs import Run
from cotoolkit.evaluation.intervals import wilson

HORIZON = 50
"""Iterations before a break's first crossing from which an alarm counts as a warning of it; an earlier one is false."""

RESAMPLES = 2000
"""Of the bootstrap over runs, for the intervals of percentiles."""

Date = Literal["first", "sustained"]
"""Of a break: its first crossing, and the one that lasts; the engine and the truth have both."""


@dataclass(frozen=True)
class Outcome:
    """What a rule did in one run.

    Attributes:
        kind: of the run, see `truth.Kind`.
        since_first: first alarm near the break minus its first crossing, in iterations, of a collapse; negative when
            the alarm came first; None if there was none.
        since_sustained: likewise since the crossing that lasts.
        false: alarms with no break near: all of a run that did not collapse, those before `HORIZON` of one that did.
    """

    kind: str
    since_first: int | None
    since_sustained: int | None
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
class Delay:
    """Iterations from a date of the break to a rule's alarm, over the collapses that have one.

    Attributes:
        median: bootstrap interval.
        ninety: 90th percentile; bootstrap interval.
    """

    median: Interval
    ninety: Interval


@dataclass(frozen=True)
class Score:
    """A rule over many runs.

    Attributes:
        collapses: runs that collapsed.
        missed: share of them without an alarm from `HORIZON` before the break on; Wilson interval.
        first: delay since the first crossing.
        sustained: delay since the crossing that lasts.
        lead: share of collapses with an alarm before the first crossing; Wilson interval.
        healthy: runs that stayed healthy.
        false: false alarms per healthy run; exact Poisson interval.
        other: runs that lost robustness gradually or diverged.
        other_false: alarms per such run; exact Poisson interval.
        premature: alarms per collapse more than `HORIZON` before the break; exact Poisson interval.
    """

    collapses: int
    missed: Interval
    first: Delay
    sustained: Delay
    lead: Interval
    healthy: int
    false: Interval
    other: int
    other_false: Interval
    premature: Interval


@dataclass(frozen=True)
class Dating:
    """One of the engine's two dates against the truth's, over the collapses in which it found a break.

    It is the first break that the engine finds, the one in a run's result: where the network recovered from that, the
    date is wrong by as much. The truth is taken on test images, the engine's probe on fewer other ones, held out from
    training where a run holds any out: a part of every difference is sampling.

    Attributes:
        date: which crossing.
        collapses: runs that collapsed.
        dated: share of them in which the engine found a break; Wilson interval.
        error: median of engine minus truth, in iterations; bootstrap interval.
        size: median of its absolute value; bootstrap interval.
        size_ninety: 90th percentile of its absolute value; bootstrap interval.
        covered: share of dated runs whose `earliest` to `latest` holds the truth's date; Wilson interval.
    """

    date: Date
    collapses: int
    dated: Interval
    error: Interval
    size: Interval
    size_ninety: Interval
    covered: Interval


def outcome(run: Run, alarms: Sequence[int]) -> Outcome:
    """Hold the iterations of a rule's alarms against a run's truth."""
    first, sustained = run.truth.first, run.truth.sustained
    if first is None or sustained is None:
        return Outcome(run.truth.kind, None, None, len(alarms))
    near = [alarm for alarm in alarms if alarm >= first - HORIZON]
    false = len(alarms) - len(near)
    if not near:
        return Outcome(run.truth.kind, None, None, false)
    return Outcome(run.truth.kind, near[0] - first, near[0] - sustained, false)


def score(outcomes: Sequence[Outcome], seed: int = 0) -> Score:
    """Sum up over runs; `unclear` ones count for nothing.

    Args:
        outcomes: of one rule.
        seed: of the bootstrap.
    """
    collapses = [found for found in outcomes if found.kind == "collapse"]
    healthy = [found.false for found in outcomes if found.kind == "healthy"]
    other = [found.false for found in outcomes if found.kind in ("gradual", "diverged")]
    since_first = [found.since_first for found in collapses if found.since_first is not None]
    since_sustained = [found.since_sustained for found in collapses if found.since_sustained is not None]
    return Score(
        len(collapses),
        share(len(collapses) - len(since_first), len(collapses)),
        Delay(_percentile(since_first, 50, seed), _percentile(since_first, 90, seed)),
        Delay(_percentile(since_sustained, 50, seed), _percentile(since_sustained, 90, seed)),
        share(sum(delay < 0 for delay in since_first), len(collapses)),
        len(healthy),
        rate(sum(healthy), len(healthy)),
        len(other),
        rate(sum(other), len(other)),
        rate(sum(found.false for found in collapses), len(collapses)),
    )


def score_dating(runs: Sequence[Run], seed: int = 0) -> list[Dating]:
    """Hold the engine's first crossings against the truth's, and its lasting ones.

    Args:
        runs: recorded; those that did not collapse count for nothing.
        seed: of the bootstrap.
    """
    collapses = [run for run in runs if run.truth.kind == "collapse"]
    pairs = [(run.recording.dates, run.truth) for run in collapses if run.recording.dates is not None]
    found = []
    for date in get_args(Date):
        dated = [(getattr(dates, date), getattr(truth, date)) for dates, truth in pairs]
        errors = [ours - true for ours, true in dated if ours is not None]
        sizes = [abs(error) for error in errors]
        covered = sum(dates.earliest <= getattr(truth, date) <= dates.latest for dates, truth in pairs)
        found.append(
            Dating(
                date,
                len(collapses),
                share(len(pairs), len(collapses)),
                _percentile(errors, 50, seed),
                _percentile(sizes, 50, seed),
                _percentile(sizes, 90, seed),
                share(covered, len(pairs)),
            )
        )
    return found


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


def _percentile(values: Sequence[float], percent: float, seed: int) -> Interval:
    """A percentile with its bootstrap interval; nan of nothing."""
    if len(values) == 0:
        return Interval(np.nan, np.nan, np.nan)
    draws = np.random.default_rng(seed).choice(np.array(values, dtype=float), (RESAMPLES, len(values)))
    low, high = np.percentile(np.percentile(draws, percent, axis=1), [2.5, 97.5])
    return Interval(float(np.percentile(values, percent)), float(low), float(high))
