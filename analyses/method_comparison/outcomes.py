"""What came out of every run of a comparison, and of every method over its seeds: the numbers of page and claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analyses.core.statistics import estimate, share_interval
from analyses.method_comparison.plan import ComparisonPlan
from cotoolkit.methods import METHODS

OUTCOME = (
    *("group", "radius", "method", "family", "seed", "run", "state", "verdict", "breakpoint", "earliest", "latest"),
    *("iterations", "onset", "last_clean", "last_fgsm", "last_robust", "last_autoattack"),
    *("best_iteration", "best_clean", "best_robust", "best_autoattack", "average_clean", "average_robust"),
    *("average_autoattack", "units", "time", "time_low", "time_high"),
)
"""Columns of the outcomes, one row per group, method and seed.

breakpoint: the first iteration at which robustness is lost; missing where it never is. earliest and latest enclose it.
onset: the breakpoint as a share of training; 1 where there is none.
last_, best_, average_: accuracies in [0, 1] of the last network, of the one that the held-out probe found most robust,
and of an average of weights, if the method makes one (`robustness.CHECKPOINT`). Diverged and failed runs have none.
units, time: cost of an update of the method (`cost.COST`).
"""

ENDED = ("done", "diverged")
"""States of runs that count."""

TRAINED = ("last", "best")
"""Checkpoints of the trained network; any other one of a run is an average."""


def comparison_outcomes(
    plan: ComparisonPlan, table: pd.DataFrame, checkpoints: pd.DataFrame, costs: pd.DataFrame
) -> pd.DataFrame:
    """One row per group, method and seed.

    Args:
        plan: the comparison.
        table: of its runs.
        checkpoints: what was measured of them.
        costs: of its methods.

    Returns:
        Columns `OUTCOME`.
    """
    found = plan.labelled(table).rename(columns={"arm": "method_arm", "epsilon": "radius"})
    found = found.assign(method=found.pop("method_arm")).drop(columns="best_iteration", errors="ignore")
    # Where no run ended at all, the table has no results.
    found = found.reindex(columns=list(dict.fromkeys([*found.columns, "breakpoint", "iterations"])))
    found["family"] = [METHODS[name].family for name in found["method"]]
    found["onset"] = (found["breakpoint"] / found["iterations"]).astype(float).where(found["breakpoint"].notna(), 1.0)
    found["settings"] = found["group"].map(plan.settings_of)
    keys = ["group", "method", "seed"]
    for prefix, rows in _by_kind(checkpoints):
        own = rows.set_index(keys)[["clean", "fgsm", "robust", "autoattack", "iteration"]].add_prefix(f"{prefix}_")
        found = found.join(own, on=keys)
    found = found.join(costs.set_index(["settings", "method"])[["units", "time", "time_low", "time_high"]],
                       on=["settings", "method"])  # fmt: skip
    ended = found["state"].isin(ENDED)
    found.loc[~ended, "onset"] = float("nan")
    return found.reindex(columns=list(OUTCOME))


def _by_kind(checkpoints: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in TRAINED:
        yield name, checkpoints[checkpoints["checkpoint"] == name]
    besides = checkpoints[~checkpoints["checkpoint"].isin(TRAINED)]
    yield "average", besides.drop_duplicates(["group", "method", "seed"])


def method_summary(outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row per group and method, over its seeds.

    Args:
        outcomes: as `comparison_outcomes` returns them.

    Returns:
        Columns group, radius, method, family, seeds (that ended), broke (how many have a breakpoint), share with
        share_low and share_high (exact 95 % interval), diverged, onset (median breakpoint of those that have one, as a
        share of training), and for the accuracies `SUMMARISED` mean, _low and _high (Student's t over seeds; missing
        with fewer than two), units, time, time_low, time_high.
    """
    rows = [_summary_row(group, method, runs) for (group, method), runs in _by_method(outcomes)]
    return pd.DataFrame(rows)


SUMMARISED = (
    *("last_clean", "last_robust", "last_autoattack", "best_clean", "best_robust", "best_autoattack"),
    *("average_clean", "average_robust", "average_autoattack"),
)
"""Accuracies with means over seeds."""


def _by_method(outcomes: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Runs that ended, by group and method in order; methods of which none did are left out."""
    ended = outcomes[outcomes["state"].isin(ENDED)]
    for (group, method), runs in ended.groupby(["group", "method"], sort=False):
        yield (str(group), str(method)), runs


def _summary_row(group: str, method: str, runs: pd.DataFrame) -> dict[str, Any]:
    broke, seeds = int(runs["breakpoint"].notna().sum()), len(runs)
    low, high = share_interval(broke, seeds)
    row: dict[str, Any] = {
        "group": group, "radius": runs["radius"].iloc[0], "method": method, "family": runs["family"].iloc[0],
        "seeds": seeds, "broke": broke, "share": broke / seeds, "share_low": low, "share_high": high,
        "diverged": int((runs["verdict"] == "diverged").sum()),
        "onset": float(runs.loc[runs["breakpoint"].notna(), "onset"].median()),
    }  # fmt: skip
    for name in SUMMARISED:
        mean, least, most, _ = estimate(runs[name].astype(float))
        row |= {name: mean, f"{name}_low": max(least, 0.0), f"{name}_high": min(most, 1.0)}
    return row | {name: runs[name].iloc[0] for name in ("units", "time", "time_low", "time_high")}
