"""The benchmark's tables: runs, rules, the engine's dates, and what the combined detector did in each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import pandas as pd

from analyses.early_warning.break_dates import Dates, Kind
from analyses.early_warning.calibrate import Row
from analyses.early_warning.recording import Run
from analyses.early_warning.score import Interval, score_dating
from analyses.early_warning.simulation import Detections

KINDS: tuple[str, ...] = get_args(Kind)


def setting_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per setting: how many runs of each kind."""
    rows: dict[str, dict[str, int]] = {}
    for run in runs:
        counts = rows.setdefault(run.setting, dict.fromkeys(KINDS, 0))
        counts[run.truth.kind] += 1
    return pd.DataFrame([{"setting": name, "runs": sum(counts.values()), **counts} for name, counts in rows.items()])


def rule_table(rows: Sequence[Row]) -> pd.DataFrame:
    """One row per rule and split: shares, rates and delays, each with the ends of its 95 % interval."""
    table = []
    for row in rows:
        score = row.score
        measured = {
            "missed": score.missed,
            "delay_first": score.first.median,
            "delay_first_90": score.first.ninety,
            "delay_sustained": score.sustained.median,
            "delay_sustained_90": score.sustained.ninety,
            "before_break": score.lead,
            "false_per_healthy_run": score.false,
            "per_other_run": score.other_false,
            "premature_per_breakpoint": score.premature,
        }
        flat = _flat(measured)
        counts = {"breakpoints": score.breakpoints, "healthy": score.healthy, "other": score.other}
        table.append(
            {"rule": row.rule, "split": row.split, "fitted": not row.published, "thresholds": row.thresholds}
            | flat
            | counts
        )
    return pd.DataFrame(table)


def dating_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each of the two dates: how far the engine's lies from the truth's; see `score.Dating`."""
    table = []
    for found in score_dating(runs):
        measured = {
            "dated": found.dated,
            "error": found.error,
            "error_size": found.size,
            "error_size_90": found.size_ninety,
            "covered": found.covered,
        }
        table.append({"date": found.date, "breakpoints": found.breakpoints} | _flat(measured))
    return pd.DataFrame(table)


def recorded_run_table(runs: Sequence[Run], watched: Sequence[Detections]) -> pd.DataFrame:
    """One row per run: its truth, the engine's dates, and what the combined detector did.

    Args:
        runs: recorded.
        watched: of each run.
    """
    engine = [f"engine_{name}" for name in Dates._fields]
    table = pd.DataFrame(
        [
            {
                "setting": run.setting,
                "seed": run.seed,
                "kind": run.truth.kind,
                "first": run.truth.first,
                "sustained": run.truth.sustained,
                **dict(zip(engine, run.recording.dates or [None] * len(engine), strict=True)),
                "recovered": run.truth.recovered,
                "best_pgd": run.truth.best,
                "last_pgd": run.truth.last,
                "iterations": int(run.recording.trace["iteration"].max()),
                "first_warning": found.warnings[0] if found.warnings else None,
                "warnings": len(found.warnings),
                "confirmed": found.confirmed[0] if found.confirmed else None,
                "breakpoints": len(found.confirmed),
                "probes": found.probes,
            }
            for run, found in zip(runs, watched, strict=True)
        ]
    )
    return table.astype(dict.fromkeys(["first", "sustained", *engine, "first_warning", "confirmed"], "Int64"))


def _flat(measured: Mapping[str, Interval]) -> dict[str, float]:
    """Each value, and the ends of its interval."""
    flat: dict[str, float] = {}
    for name, found in measured.items():
        flat |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return flat
