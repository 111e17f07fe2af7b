"""The benchmark's tables: runs, rules, and what the combined detector did in each run."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analyses.alarm_bench.calibrate import Row
from analyses.alarm_bench.detector import Watched
from analyses.alarm_bench.runs import Run
from analyses.alarm_bench.score import Interval

KINDS = ("collapse", "healthy", "gradual", "diverged", "unclear")


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
            "delay": score.median,
            "delay_90": score.ninety,
            "before_break": score.lead,
            "false_per_healthy_run": score.false,
            "per_other_run": score.other_false,
            "premature_per_collapse": score.premature,
        }
        flat = {name: value for key, found in measured.items() for name, value in _flat(key, found).items()}
        counts = {"collapses": score.collapses, "healthy": score.healthy, "other": score.other}
        table.append(
            {"rule": row.rule, "split": row.split, "fitted": not row.published, "thresholds": row.thresholds}
            | flat
            | counts
        )
    return pd.DataFrame(table)


def run_table(runs: Sequence[Run], watched: Sequence[Watched]) -> pd.DataFrame:
    """One row per run: its truth, and the combined detector's first warning, first break and probes."""
    return pd.DataFrame(
        [
            {
                "setting": run.setting,
                "seed": run.seed,
                "kind": run.truth.kind,
                "broken_at": run.truth.broken_at,
                "recovered": run.truth.recovered,
                "best_pgd": run.truth.best,
                "last_pgd": run.truth.last,
                "iterations": int(run.recording.trace["iteration"].max()),
                "first_warning": found.warnings[0] if found.warnings else None,
                "warnings": len(found.warnings),
                "detected": found.breaks[0] if found.breaks else None,
                "breaks": len(found.breaks),
                "probes": found.probes,
            }
            for run, found in zip(runs, watched, strict=True)
        ]
    ).astype({"broken_at": "Int64", "first_warning": "Int64", "detected": "Int64"})


def _flat(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
