"""Every rule, scored: thresholds are fitted on the plan's settings for that, and scored on the settings held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from analyses.early_warning.recorded.plan import FITTED_ON
from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.scoring.rules import PUBLISHED, STATISTICS, Series, candidates, statistic_series
from analyses.early_warning.scoring.score import Alarm, RuleOutcome, Score, rule_outcome, score
from analyses.early_warning.scoring.simulation import Detections, watch
from cotoolkit.core.numbers import format_number
from cotoolkit.monitor.early_warning import DEFAULT_RULES, Rule
from cotoolkit.signals import Direction

THRESHOLDS = 80
"""Quantiles of a statistic over the runs fitted on that are tried as its threshold, most in its upper tail."""

COMBINED = "combined: alarm of free signals, confirmed by a probe"
WARNING = "combined: the warning alone, before any probe"

COMBINED_FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)
"""What the default thresholds of the two signals are multiplied with, each by itself, to fit the combined detector."""

Scored = Literal["held out", "all"]
"""On which settings: those that no threshold was fitted on, or all."""


class Row(NamedTuple):
    """A rule's score.

    Attributes:
        rule: its name.
        thresholds: of its statistics.
        fitted: on the settings for that; else the thresholds are its authors', or those that the monitor is shipped
            with.
        scored: on which runs.
        score: over those.
    """

    rule: str
    thresholds: str
    fitted: bool
    scored: Scored
    score: Score


class FittedRule(NamedTuple):
    """A rule with its threshold: how much the runs fitted on like it, in words, and what it says of a run."""

    cost: tuple[float, float]
    words: str
    alarms: Callable[[Run], Sequence[Alarm]]


def is_held_out(run: Run) -> bool:
    """Whether no threshold was fitted on a run's setting."""
    return run.setting not in FITTED_ON


def benchmark(
    runs: Sequence[Run], watched: Sequence[Detections], report: Callable[[str], None] = lambda name: None
) -> list[Row]:
    """Every rule: the published ones and ours as shipped, on all settings and on those held out; fitted ones on these.

    Args:
        runs: recorded; `unclear` ones count for nothing.
        watched: what the combined detector as shipped did in each.
        report: told which rule is next.
    """
    rows: list[Row] = []
    for name, rule in PUBLISHED.items():
        report(name)
        alarms = [published_alarms(run, name) for run in runs]
        rows += _unfitted(name, format_number(rule.threshold), runs, alarms)
    shipped = ", ".join(f"{rule.signal} {format_number(rule.threshold)}" for rule in DEFAULT_RULES)
    warned = [[Alarm(at, at) for at in found.warnings] for found in watched]
    rows += _unfitted(f"{COMBINED}, as shipped", shipped, runs, [found.confirmed for found in watched])
    rows += _unfitted(f"{WARNING}, as shipped", shipped, runs, warned)
    calibration = [run for run in runs if not is_held_out(run)]
    test = [run for run in runs if is_held_out(run)]
    if calibration and test:
        columns = {str(column) for run in runs for column in run.recording.trace}
        for signal, direction in candidates(columns).items():
            report(signal)
            rows.append(_fitted(signal, fit_signal(calibration, signal, direction), test))
        report(COMBINED)
        rows.append(_fitted(COMBINED, _fit_combined(calibration), test))
    return rows


def published_alarms(run: Run, name: str) -> list[Alarm]:
    """What a published rule says of a run.

    Args:
        run: recorded.
        name: in `rules.PUBLISHED`.
    """
    rule = PUBLISHED[name]
    return _series(run, rule).alarms(rule.threshold, run.recording.iterations)


def rule_cost(outcomes: Sequence[RuleOutcome]) -> tuple[float, float]:
    """What a fit makes small: the share of missed breaks plus false alarms per run, then the median delay.

    The delay is that since the first crossing. Breaks of both sorts count; `unclear` runs do not.
    """
    counted = [found for found in outcomes if found.kind != "unclear"]
    breaks = [one for found in counted for one in found.breaks]
    delays = [one.since_first for one in breaks if one.since_first is not None]
    missed = 1 - sum(one.found for one in breaks) / len(breaks) if breaks else 0.0
    false = sum(found.false for found in counted) / len(counted) if counted else 0.0
    return missed + false, float(np.median(delays)) if delays else np.inf


def thresholds(found: Sequence[Series]) -> list[float]:
    """Candidate thresholds: quantiles of all finite values of a statistic."""
    values = np.concatenate([np.asarray(one.values) for one in found])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return []
    return sorted({float(value) for value in np.quantile(values, 1 - np.geomspace(0.5, 1e-4, THRESHOLDS))})


def fit_signal(calibration: Sequence[Run], signal: str, direction: Direction) -> FittedRule:
    """Choose the statistic and the threshold of one signal.

    Args:
        calibration: runs to fit on.
        signal: its name.
        direction: which way it moves at a break.
    """
    found = [FittedRule((np.inf, np.inf), "never known in the runs fitted on", lambda run: [])]
    for statistic in STATISTICS:
        rule = Rule(signal, direction, statistic, np.nan)
        streamed = [_series(run, rule) for run in calibration]
        for threshold in thresholds(streamed):
            pairs = zip(calibration, streamed, strict=True)
            outcomes = [rule_outcome(run, one.alarms(threshold, run.recording.iterations)) for run, one in pairs]

            def alarms(run: Run, rule: Rule = rule, threshold: float = threshold) -> list[Alarm]:
                return _series(run, rule).alarms(threshold, run.recording.iterations)

            found.append(FittedRule(rule_cost(outcomes), f"{statistic} {threshold:.3g}", alarms))
    return min(found, key=lambda fitted: fitted.cost)


def _fit_combined(calibration: Sequence[Run]) -> FittedRule:
    """Choose the two thresholds of the combined detector."""
    found = []
    for factors in product(COMBINED_FACTORS, repeat=len(DEFAULT_RULES)):
        rules = [
            Rule(rule.signal, rule.direction, rule.statistic, rule.threshold * factor)
            for rule, factor in zip(DEFAULT_RULES, factors, strict=True)
        ]
        words = ", ".join(f"{rule.signal} {rule.threshold:.3g}" for rule in rules)

        def alarms(run: Run, rules: Sequence[Rule] = rules) -> list[Alarm]:
            return watch(run, rules).confirmed

        cost = rule_cost([rule_outcome(run, alarms(run)) for run in calibration])
        found.append(FittedRule(cost, words, alarms))
    return min(found, key=lambda fitted: fitted.cost)


def _series(run: Run, rule: Rule) -> Series:
    return statistic_series(run.recording.trace, rule.signal, rule.direction, rule.statistic)


def _fitted(name: str, rule: FittedRule, test: Sequence[Run]) -> Row:
    return Row(name, rule.words, True, "held out", score([rule_outcome(run, rule.alarms(run)) for run in test]))


def _unfitted(name: str, words: str, runs: Sequence[Run], alarms: Sequence[Sequence[Alarm]]) -> list[Row]:
    outcomes = [rule_outcome(run, found) for run, found in zip(runs, alarms, strict=True)]
    held_out = [outcome for run, outcome in zip(runs, outcomes, strict=True) if is_held_out(run)]
    parts: Mapping[Scored, Sequence[RuleOutcome]] = {"held out": held_out, "all": outcomes}
    return [Row(name, words, False, scored, score(part)) for scored, part in parts.items()]
