"""The benchmark's tables: settings, rules, the engine's dates, and what the combined detector did in each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import pandas as pd

from analyses.early_warning.recorded.plan import FITTED_ON, SETTINGS
from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.truth import Kind
from analyses.early_warning.scoring.by_setting import Interval
from analyses.early_warning.scoring.calibrate import Row, published_alarms
from analyses.early_warning.scoring.dating import score_dating
from analyses.early_warning.scoring.rules import PUBLISHED
from analyses.early_warning.scoring.score import BreakScore, rule_outcome, score
from analyses.early_warning.scoring.simulation import Dates, Detections

KINDS: tuple[str, ...] = get_args(Kind)

SORTS = ("terminal", "transient")
"""Of breaks."""


def setting_table(runs: Sequence[Run], watched: Sequence[Detections]) -> pd.DataFrame:
    """One row per setting: runs planned and recorded, what became of them, what the combined detector did, and what
    the published rules did.

    Args:
        runs: recorded.
        watched: of each run, as shipped.
    """
    planned = {setting.name: setting.seeds for setting in SETTINGS}
    rows = []
    for name in dict.fromkeys([*planned, *(run.setting for run in runs)]):
        of = [(run, found) for run, found in zip(runs, watched, strict=True) if run.setting == name]
        outcomes = [rule_outcome(run, found.confirmed) for run, found in of]
        found = score(outcomes)
        breaks = {
            key: value
            for sort in SORTS
            for part in (getattr(found, sort),)
            for key, value in (
                (f"{sort}_breaks", part.breaks),
                (f"{sort}_missed", sum(not one.found for outcome in outcomes for one in outcome.breaks
                                       if one.terminal == (sort == "terminal"))),
                (f"{sort}_delay", part.first.median.value),
            )
        }  # fmt: skip
        rows.append(
            {
                "setting": name,
                "held_out": name not in FITTED_ON,
                "planned": planned.get(name, 0),
                "runs": len(of),
                "iterations": max((run.recording.iterations for run, _ in of), default=0),
                **{kind: sum(run.truth.kind == kind for run, _ in of) for kind in KINDS},
                **breaks,
                "false_in_healthy": sum(outcome.false for outcome in outcomes if outcome.kind == "healthy"),
                "false_in_others": sum(outcome.false for outcome in outcomes if outcome.kind != "healthy"),
                **_published([run for run, _ in of]),
            }
        )
    return pd.DataFrame(rows)


def _published(runs: Sequence[Run]) -> dict[str, int]:
    """Terminal breaks that each published rule missed, and its false alarms in healthy runs; by its first word."""
    counts = {}
    for rule in PUBLISHED:
        outcomes = [rule_outcome(run, published_alarms(run, rule)) for run in runs]
        word = rule.split()[0].lower()
        counts[f"{word}_missed"] = sum(one.terminal and not one.found for found in outcomes for one in found.breaks)
        counts[f"{word}_false"] = sum(found.false for found in outcomes if found.kind == "healthy")
    return counts


def rule_table(rows: Sequence[Row]) -> pd.DataFrame:
    """One row per rule and the runs it is scored on: shares, rates and delays, each with its 95 % interval's ends."""
    table = []
    for row in rows:
        score = row.score
        measured = {
            "false_per_healthy_run": score.false,
            "healthy_with_false": score.alarmed,
            "per_other_run": score.other_false,
            "premature_per_broken_run": score.premature,
        }
        sorts = {key: value for sort in SORTS for key, value in _of_breaks(sort, getattr(score, sort)).items()}
        counts = {"healthy": score.healthy, "other": score.other}
        about = {"rule": row.rule, "scored": row.scored, "fitted": row.fitted, "thresholds": row.thresholds}
        table.append({**about, **sorts, **_flat(measured), **counts})
    return pd.DataFrame(table)


def _of_breaks(sort: str, score: BreakScore) -> dict[str, float]:
    measured = {
        f"{sort}_missed": score.missed,
        f"{sort}_delay": score.first.median,
        f"{sort}_delay_90": score.first.ninety,
        f"{sort}_delay_sustained": score.sustained.median,
        f"{sort}_delay_sustained_90": score.sustained.ninety,
        f"{sort}_delay_share": score.pace,
        f"{sort}_before_break": score.lead,
    }
    return {f"{sort}_breaks": score.breaks, f"{sort}_settings": score.settings, **_flat(measured)}


def horizon_table(runs: Sequence[Run], watched: Sequence[Detections], horizons: Sequence[float]) -> pd.DataFrame:
    """How much hangs on the horizon: one row for each, of the combined detector over all runs.

    Args:
        runs: recorded.
        watched: of each run.
        horizons: shares of the schedule, see `score.HORIZON`.
    """
    table = []
    for horizon in horizons:
        pairs = zip(runs, watched, strict=True)
        found = score([rule_outcome(run, detections.confirmed, horizon) for run, detections in pairs])
        measured = {
            "terminal_missed": found.terminal.missed,
            "terminal_delay": found.terminal.first.median,
            "transient_missed": found.transient.missed,
            "premature_per_broken_run": found.premature,
        }
        table.append({"horizon": horizon, **_flat(measured)})
    return pd.DataFrame(table)


def dating_table(runs: Sequence[Run], watched: Sequence[Detections]) -> pd.DataFrame:
    """One row for each of the two dates: how far the engine's lies from the truth's; see `dating.Dating`.

    Args:
        runs: recorded.
        watched: of each run.
    """
    table = []
    for found in score_dating(runs, [found.dates for found in watched]):
        measured = {
            "dated": found.dated,
            "error": found.error,
            "error_size": found.size,
            "error_size_90": found.size_ninety,
            "covered": found.covered,
        }
        table.append({"date": found.date, "runs": found.runs} | _flat(measured))
    return pd.DataFrame(table)


def recorded_run_table(runs: Sequence[Run], watched: Sequence[Detections]) -> pd.DataFrame:
    """One row per run: its truth, the engine's dates, and what the combined detector did.

    Args:
        runs: recorded.
        watched: of each run.
    """
    engine = [f"engine_{name}" for name in Dates._fields]
    table = []
    for run, found in zip(runs, watched, strict=True):
        outcome, last = rule_outcome(run, found.confirmed), run.truth.breaks[-1] if run.truth.breaks else None
        table.append(
            {
                "setting": run.setting,
                "seed": run.seed,
                "kind": run.truth.kind,
                "breaks": len(run.truth.breaks),
                "first": last.first if last else None,
                "sustained": last.sustained if last else None,
                **dict(zip(engine, found.dates or [None] * len(engine), strict=True)),
                "best_pgd": run.truth.best,
                "last_pgd": run.truth.last,
                "iterations": int(run.recording.trace["iteration"].max()),
                "warnings": len(found.warnings),
                "confirmed": " ".join(str(alarm.start) for alarm in found.confirmed),
                "missed": sum(not one.found for one in outcome.breaks),
                "false": outcome.false,
                "delay": outcome.breaks[-1].since_first if outcome.breaks else None,
                "probes": found.probes,
            }
        )
    return pd.DataFrame(table).astype(dict.fromkeys(["first", "sustained", *engine, "delay"], "Int64"))


def _flat(measured: Mapping[str, Interval]) -> dict[str, float]:
    """Each value, and the ends of its interval."""
    flat: dict[str, float] = {}
    for name, found in measured.items():
        flat |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return flat
