"""Outcomes of a comparison made up by hand: nothing is trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analyses.method_comparison.claims import judge_comparison
from analyses.method_comparison.outcomes import OUTCOME
from analyses.method_comparison.page import comparison_report
from analyses.method_comparison.plan import ComparisonPlan, comparison_plan
from cotoolkit.methods import METHODS
from cotoolkit.pages import Report
from cotoolkit.runs.folder import RunFolder


def made_outcomes(
    broke: dict[str, int],
    *,
    seeds: int = 10,
    groups: tuple[str, ...] = ("ε 0.25",),
    robust: float = 0.4,
    weak: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Rows as `comparison_outcomes` returns them.

    `broke` has the methods, with how many of their first seeds break, halfway; such a run ends with no robust accuracy
    and was robust at best, the others end robust, but for the `weak` methods, which never were.
    """
    rows = []
    for group in groups:
        for place, (method, broken) in enumerate(broke.items()):
            cost = METHODS.parse(method).cost_per_step()
            units = (cost.forward + cost.backward) / 2
            for seed in range(seeds):
                breaks, at_best = seed < broken, 0.05 if method in weak else robust + 0.01 * place
                rows.append(
                    {
                        "group": group, "radius": 0.25, "method": method, "family": METHODS[method].family,
                        "seed": seed, "run": f"{method}-{seed}", "state": "done",
                        "verdict": "catastrophic overfitting" if breaks else "robust",
                        "breakpoint": 240 if breaks else pd.NA, "earliest": 235 if breaks else pd.NA,
                        "latest": 250 if breaks else pd.NA, "iterations": 480, "onset": 0.5 if breaks else 1.0,
                        "last_clean": 0.9, "last_fgsm": 0.6, "last_robust": 0.0 if breaks else at_best,
                        "best_iteration": 220, "best_clean": 0.8, "best_robust": at_best,
                        "units": units, "time": 0.9 * units, "time_low": 0.8 * units, "time_high": units,
                    }
                )  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=list(OUTCOME))
    whole = ("breakpoint", "earliest", "latest")
    return table.astype(dict.fromkeys(whole, "Int64") | {"best_autoattack": float, "last_autoattack": float})


def made_tables(plan: ComparisonPlan, broke: dict[str, int]) -> dict[str, pd.DataFrame]:
    """All tables of a comparison in one group, with outcomes as `made_outcomes` has them, named as the plan's runs."""
    (group,) = plan.groups
    seeds = len(plan.groups[group].seeds)
    outcomes = made_outcomes(broke, seeds=seeds, groups=(group,))
    outcomes["run"] = [run.name for run in plan.runs()]
    rows = outcomes.drop_duplicates("method")
    declared = [METHODS.parse(name).cost_per_step()._asdict() for name in rows["method"]]
    costs = pd.DataFrame(declared).assign(settings="", method=list(rows["method"]), milliseconds=1.0, device="cpu")
    times = rows[["units", "time", "time_low", "time_high"]].reset_index(drop=True)
    checkpoints = outcomes[["group", "method", "seed"]].assign(
        checkpoint="last", iteration=480, robust=outcomes["last_robust"], points=360, protocol="0" * 12
    )
    left_out = pd.DataFrame(columns=["group", "method", "seed", "reason"])
    return {
        "outcomes": outcomes,
        "checkpoints": checkpoints,
        "costs": pd.concat([costs, times], axis=1),
        "left_out": left_out,
    }


def made_comparison_report(root: Path) -> Report:
    """The page of a comparison of nine methods on digits, of which three break in some seeds."""
    broke = {
        "standard": 0,
        "fgsm": 6,
        "n_fgsm": 0,
        "rs_fgsm": 3,
        "pgd": 0,
        "trades": 0,
        "gradalign": 0,
        "dom": 1,
        "benign": 0,
    }
    plan = comparison_plan("digits", list(broke), seeds=range(6))
    for run in plan.runs():
        RunFolder.of(root, run.config).write_environment("cpu")
    tables = made_tables(plan, broke)
    return comparison_report(plan, tables, judge_comparison(plan, tables), root, "cotoolkit compare")
