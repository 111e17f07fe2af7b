"""How well a rule would have watched the recorded runs: delay, lead, false alarms, misses, with their uncertainty.

And how well the engine dates the breakpoints that it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import stats

from analyses.early_warning.recording import Run
from cotoolkit.evaluation.intervals import wilson

HORIZON = 50
"""Iterations before a breakpoint's first crossing from which an alarm is its warning; an earlier one is false."""

RESAMPLES = 2000
"""Of the bootstrap over runs, for the intervals of percentiles."""

Date = Literal["first", "sustained"]
"""Of a breakpoint: its first crossing, and the one that lasts; the engine and the truth have both."""


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule did in one run.

    Attributes:
        kind: of the run, see `break_dates.Kind`.
        since_first: first warning near the breakpoint minus its first crossing, in iterations; negative when
            the warning came first; None if there was none.
        since_sustained: likewise since the crossing that lasts.
        false: alarms with no breakpoint near: all of a run without one, else those more than `HORIZON` before it.
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
    """Iterations from a date of the breakpoint to a rule's alarm, over the runs that have both.

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
        breakpoints: runs with a breakpoint.
        missed: share of them without a warning from `HORIZON` before the breakpoint on; Wilson interval.
        first: delay since the first crossing.
        sustained: delay since the crossing that lasts.
        lead: share of breakpoints with a warning before the first crossing; Wilson interval.
        healthy: runs that stayed healthy.
        false: false alarms per healthy run; exact Poisson interval.
        other: runs that lost robustness gradually or diverged.
        other_false: alarms per such run; exact Poisson interval.
        premature: alarms per run with a breakpoint, more than `HORIZON` before it; exact Poisson interval.
    """

    breakpoints: int
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
    """One of the engine's two dates against the truth's, over the runs with a breakpoint in which it found one.

    It is the first breakpoint that the engine finds, the one in a run's result: where the network recovered from that,
    the date is wrong by as much. The truth is taken on test images, the engine's probe on fewer other ones, held out
    from training where a run holds any out: a part of every difference is sampling.

    Attributes:
        date: which crossing.
        breakpoints: runs with a breakpoint.
        dated: share of them in which the engine found a breakpoint; Wilson interval.
        error: median of engine minus truth, in iterations; bootstrap interval.
        size: median of its absolute value; bootstrap interval.
        size_ninety: 90th percentile of its absolute value; bootstrap interval.
        covered: share of dated runs whose `earliest` to `latest` holds the truth's date; Wilson interval.
    """

    date: Date
    breakpoints: int
    dated: Interval
    error: Interval
    size: Interval
    size_ninety: Interval
    covered: Interval


def rule_outcome(run: Run, alarms: Sequence[int]) -> RuleOutcome:
    """Hold the iterations of a rule's alarms against a run's truth."""
    first, sustained = run.truth.first, run.truth.sustained
    if first is None or sustained is None:
        return RuleOutcome(run.truth.kind, None, None, len(alarms))
    near = [alarm for alarm in alarms if alarm >= first - HORIZON]
    false = len(alarms) - len(near)
    if not near:
        return RuleOutcome(run.truth.kind, None, None, false)
    return RuleOutcome(run.truth.kind, near[0] - first, near[0] - sustained, false)


def score(outcomes: Sequence[RuleOutcome], seed: int = 0) -> Score:
    """Sum up over runs; `unclear` ones count for nothing.

    Args:
        outcomes: of one rule.
        seed: of the bootstrap.
    """
    broken = [found for found in outcomes if found.kind == "breakpoint"]
    healthy = [found.false for found in outcomes if found.kind == "healthy"]
    other = [found.false for found in outcomes if found.kind in ("gradual", "diverged")]
    since_first = [found.since_first for found in broken if found.since_first is not None]
    since_sustained = [found.since_sustained for found in broken if found.since_sustained is not None]
    return Score(
        len(broken),
        wilson_share(len(broken) - len(since_first), len(broken)),
        Delay(_percentile(since_first, 50, seed), _percentile(since_first, 90, seed)),
        Delay(_percentile(since_sustained, 50, seed), _percentile(since_sustained, 90, seed)),
        wilson_share(sum(delay < 0 for delay in since_first), len(broken)),
        len(healthy),
        poisson_rate(sum(healthy), len(healthy)),
        len(other),
        poisson_rate(sum(other), len(other)),
        poisson_rate(sum(found.false for found in broken), len(broken)),
    )


def score_dating(runs: Sequence[Run]) -> list[Dating]:
    """Hold the engine's first crossings against the truth's, and its lasting ones.

    Args:
        runs: recorded; those without a breakpoint count for nothing.
    """
    broken = [run for run in runs if run.truth.kind == "breakpoint"]
    pairs = [(run.recording.dates, run.truth) for run in broken if run.recording.dates is not None]
    found = []
    for date in get_args(Date):
        dated = [(getattr(dates, date), getattr(truth, date)) for dates, truth in pairs]
        errors = [ours - true for ours, true in dated if ours is not None]
        sizes = [abs(error) for error in errors]
        covered = sum(dates.earliest <= getattr(truth, date) <= dates.latest for dates, truth in pairs)
        found.append(
            Dating(
                date,
                len(broken),
                wilson_share(len(pairs), len(broken)),
                _percentile(errors, 50, 0),
                _percentile(sizes, 50, 0),
                _percentile(sizes, 90, 0),
                wilson_share(covered, len(pairs)),
            )
        )
    return found


def wilson_share(hits: int, among: int) -> Interval:
    """A share with its Wilson interval; nan of nothing."""
    if among == 0:
        return Interval(np.nan, np.nan, np.nan)
    return Interval(hits / among, *wilson(hits, among))


def poisson_rate(events: int, runs: int) -> Interval:
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
