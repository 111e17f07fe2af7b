"""Records of the leaderboard as a table of outcomes, which pictures and claims are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analyses.method_comparison.leaderboard.recorded_runs import RecordedRun
from analyses.method_comparison.leaderboard.records import LeaderboardRecord
from analyses.method_comparison.outcomes import OUTCOME
from analyses.method_comparison.plan import group_name
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import METHODS
from cotoolkit.runs.folder import RunFolder

NOT_RECORDED = ("earliest", "latest", "last_fgsm")
"""Columns of outcomes that no record has."""

RECORDED = tuple(name for name in OUTCOME if name not in NOT_RECORDED)
"""Columns of outcomes that records have."""

NETWORKS, ATTACKS = ("last", "best", "average"), ("clean", "robust", "autoattack")
"""Whose accuracies a record has, and which."""


def recorded_outcomes(records: Sequence[LeaderboardRecord]) -> pd.DataFrame:
    """One row per radius, method and seed.

    Args:
        records: as `read_leaderboard` returns them; seeds of the same settings may stand in several records.

    Returns:
        Columns `RECORDED`, by radius, then by method in the order of the registry, then by seed; a group is a radius.

    Raises:
        ConfigError: a method stands there in two settings at one radius.
    """
    keys: dict[tuple[str, float], str] = {}
    for record in records:
        if keys.setdefault((record.method, record.radius), record.key) != record.key:
            group = group_name("", record.radius)
            raise ConfigError(f"{record.method} stands there in two settings at {group}; keep their records apart")
    rows = [_row(record, run) for record in records for run in record.runs]
    rows.sort(key=lambda row: (row["radius"], METHODS.names().index(row["method"]), row["seed"]))
    table = pd.DataFrame(rows, columns=list(RECORDED))
    accuracies = [f"{network}_{attack}" for network in NETWORKS for attack in ATTACKS]
    whole = ("breakpoint", "best_iteration")
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(accuracies, float))


def _row(record: LeaderboardRecord, run: RecordedRun) -> dict[str, Any]:
    return {
        "group": group_name("", record.radius),
        "radius": record.radius,
        "method": record.method,
        "family": METHODS[record.method].family,
        "seed": run.seed,
        "run": RunFolder.of("", record.config(run.seed)).path.name,
        "state": "diverged" if run.verdict == "diverged" else "done",
        "verdict": run.verdict,
        "breakpoint": run.breakpoint,
        "iterations": run.iterations,
        "onset": 1.0 if run.breakpoint is None else run.breakpoint / run.iterations,
        "best_iteration": None if run.best is None else run.best.iteration,
        **{
            f"{network}_{attack}": getattr(getattr(run, network), attack, None)
            for network in NETWORKS
            for attack in ATTACKS
        },
        **record.cost.model_dump(include={"units", "time", "time_low", "time_high"}),
    }
