"""Thresholds are fixed on one half of the runs and scored on the other, split by seed and split by setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from analyses.early_warning.recording import Run
from analyses.early_warning.rules import PUBLISHED, STATISTICS, Series, candidates, statistic_series
from analyses.early_warning.score import RuleOutcome, Score, rule_outcome, score
from analyses.early_warning.simulation import watch
from cotoolkit.core.numbers import format_number
from cotoolkit.monitor.early_warning import DEFAULT_RULES, Rule
from cotoolkit.signals import Direction

THRESHOLDS = 80
"""Quantiles of a statistic over the calibration runs that are tried as its threshold, most in its upper tail."""

COMBINED = "combined: alarm of free signals, confirmed by a probe"
WARNING = "combined: the warning alone, before any probe"

COMBINED_FACTORS = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
"""What the default thresholds of the two signals are multiplied with, each by itself, to fit the combined detector."""


class RunSplit(NamedTuple):
    """Runs to fix thresholds on, and runs to score.

    Attributes:
        by: "seed": every second seed of each setting; "setting": every second setting of each kind.
        calibration: the one half.
        test: the other.
    """

    by: str
    calibration: Sequence[Run]
    test: Sequence[Run]


class Row(NamedTuple):
    """A rule's score on runs that had no part in its thresholds.

    Attributes:
        rule: its name.
        thresholds: of its statistics, one text for each direction of the split.
        published: whether they are its authors' own; else they were fitted.
        split: which, see `Split.by`; "none" where nothing was fitted.
        score: over all runs.
    """

    rule: str
    thresholds: str
    published: bool
    split: str
    score: Score


class FittedRule(NamedTuple):
    """A rule with its threshold: how much calibration likes it, in words, and what it does in a run."""

    cost: tuple[float, float]
    words: str
    alarms: Callable[[Run], Sequence[int]]


def splits(runs: Sequence[Run]) -> Iterator[RunSplit]:
    """Both splits, each in both directions, so that every run is scored once by a threshold that never saw it."""
    position = {name: index for index, name in enumerate(_settings_by_kind(runs))}
    for half in (0, 1):
        chosen = [run.seed % 2 == half for run in runs]
        yield _split("seed", runs, chosen)
    for half in (0, 1):
        chosen = [position[run.setting] % 2 == half for run in runs]
        yield _split("setting", runs, chosen)


def benchmark(runs: Sequence[Run], report: Callable[[str], None] = lambda name: None) -> list[Row]:
    """Every rule: the published ones with their own thresholds, ours fitted and scored on both splits.

    Args:
        runs: recorded; `unclear` ones count for nothing.
        report: told which rule is next.
    """
    rows = []
    for name, rule in PUBLISHED.items():
        report(name)
        known = _streams(runs, rule)
        alarms = {run_id: found.alarms(rule.threshold) for run_id, found in known.items()}
        rows.append(_unfitted(name, format_number(rule.threshold), runs, alarms))
    parts = list(splits(runs))
    columns = {str(column) for run in runs for column in run.recording.trace}
    for signal, direction in candidates(columns).items():
        report(signal)
        rows += _crossed(signal, parts, _signal_fitter(runs, signal, direction))
    report(COMBINED)
    rows += _crossed(COMBINED, parts, _combined_fitter(runs))
    shipped = ", ".join(f"{rule.signal} {format_number(rule.threshold)}" for rule in DEFAULT_RULES)
    watched = {id(run): watch(run) for run in runs}
    confirmed = {run_id: found.confirmed for run_id, found in watched.items()}
    warnings = {run_id: found.warnings for run_id, found in watched.items()}
    rows.append(_unfitted(f"{COMBINED}, as shipped", shipped, runs, confirmed))
    rows.append(_unfitted(f"{WARNING}, as shipped", shipped, runs, warnings))
    return rows


def rule_cost(outcomes: Sequence[RuleOutcome]) -> tuple[float, float]:
    """What calibration makes small: the share of missed breakpoints plus false alarms per run, then the median delay.

    The delay is that since the first crossing.
    """
    counted = [found for found in outcomes if found.kind != "unclear"]
    broken = [found for found in counted if found.kind == "breakpoint"]
    delays = [found.since_first for found in broken if found.since_first is not None]
    missed = 1 - len(delays) / len(broken) if broken else 0.0
    false = sum(found.false for found in counted) / len(counted) if counted else 0.0
    return missed + false, float(np.median(delays)) if delays else np.inf


def thresholds(found: Sequence[Series]) -> list[float]:
    """Candidate thresholds: quantiles of all finite values of a statistic."""
    values = np.concatenate([np.asarray(one.values) for one in found])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return []
    return sorted({float(value) for value in np.quantile(values, 1 - np.geomspace(0.5, 1e-4, THRESHOLDS))})


def _split(by: str, runs: Sequence[Run], chosen: Sequence[bool]) -> RunSplit:
    pairs = list(zip(runs, chosen, strict=True))
    return RunSplit(by, [run for run, test in pairs if not test], [run for run, test in pairs if test])


def _settings_by_kind(runs: Sequence[Run]) -> list[str]:
    """Settings in an order that puts those of one kind next to each other, so that halves get as many of each."""
    kinds: dict[str, list[str]] = {}
    for run in runs:
        kinds.setdefault(run.setting, []).append(run.truth.kind)
    return sorted(kinds, key=lambda name: (max(sorted(set(kinds[name])), key=kinds[name].count), name))


def _unfitted(name: str, threshold: str, runs: Sequence[Run], alarms: dict[int, list[int]]) -> Row:
    return Row(name, threshold, True, "none", score([rule_outcome(run, alarms[id(run)]) for run in runs]))


def _crossed(name: str, parts: Sequence[RunSplit], fit: Callable[[Sequence[Run]], FittedRule]) -> list[Row]:
    """Fit on each half, score on the other; the two directions of a split are scored together."""
    rows = []
    for by in ("seed", "setting"):
        outcomes, words = [], []
        for part in parts:
            if part.by == by:
                fitted = fit(part.calibration)
                outcomes += [rule_outcome(run, fitted.alarms(run)) for run in part.test]
                words.append(fitted.words)
        rows.append(Row(name, "; ".join(words), False, by, score(outcomes)))
    return rows


Streams = dict[int, Series]


def _streams(runs: Sequence[Run], rule: Rule) -> Streams:
    return {id(run): statistic_series(run.recording.trace, rule.signal, rule.direction, rule.statistic) for run in runs}


def _signal_fitter(runs: Sequence[Run], signal: str, direction: Direction) -> Callable[[Sequence[Run]], FittedRule]:
    """Fits the statistic and the threshold of one signal; the statistics are streamed once for all fits."""
    rules = [Rule(signal, direction, statistic, np.nan) for statistic in STATISTICS]
    streamed = [(rule, _streams(runs, rule)) for rule in rules]

    def fit(calibration: Sequence[Run]) -> FittedRule:
        found = []
        for rule, known in streamed:
            for threshold in thresholds([known[id(run)] for run in calibration]):

                def alarms(run: Run, known: Streams = known, threshold: float = threshold) -> list[int]:
                    return known[id(run)].alarms(threshold)

                scored = rule_cost([rule_outcome(run, alarms(run)) for run in calibration])
                found.append(FittedRule(scored, f"{rule.statistic} {threshold:.3g}", alarms))
        never = FittedRule((np.inf, np.inf), "never known on this half", lambda run: [])
        return min(found, key=lambda fitted: fitted.cost, default=never)

    return fit


def _combined_fitter(runs: Sequence[Run]) -> Callable[[Sequence[Run]], FittedRule]:
    """Fits the two thresholds of the combined detector; every choice watches every run once for all fits."""
    choices = []
    for factors in product(COMBINED_FACTORS, repeat=len(DEFAULT_RULES)):
        rules = [
            Rule(rule.signal, rule.direction, rule.statistic, rule.threshold * factor)
            for rule, factor in zip(DEFAULT_RULES, factors, strict=True)
        ]
        words = ", ".join(f"{rule.signal} {rule.threshold:.3g}" for rule in rules)
        choices.append((words, {id(run): watch(run, rules).confirmed for run in runs}))

    def fit(calibration: Sequence[Run]) -> FittedRule:
        found = []
        for words, confirmed in choices:

            def alarms(run: Run, confirmed: dict[int, list[int]] = confirmed) -> list[int]:
                return confirmed[id(run)]

            found.append(FittedRule(rule_cost([rule_outcome(run, alarms(run)) for run in calibration]), words, alarms))
        return min(found, key=lambda fitted: fitted.cost)

    return fit
