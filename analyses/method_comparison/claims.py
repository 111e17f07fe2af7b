"""Claims about methods: which prevent catastrophic overfitting where FGSM training shows it, and what the best hides.

A method prevents it in a seed if the run has no breakpoint and ends robust: one that never learned prevents nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.premises import MOST, ROBUST, breaking
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.method_comparison.outcomes import ENDED
from analyses.method_comparison.plan import ComparisonPlan

REFERENCE = "fgsm"
"""The method that has to overfit catastrophically before others can prevent it."""

CONTROLS = ("standard", REFERENCE)
"""Methods of which nobody expects that they prevent anything."""

ROBUST_ACCURACY = "accuracy under the worst of PGD-50, PGD-50 on the margin and Square with 300 queries on test images"


def prevented(runs: pd.DataFrame) -> pd.Series[bool]:
    """Whether runs ended robust, without a breakpoint.

    Args:
        runs: rows of outcomes.

    Returns:
        By row.
    """
    return runs["breakpoint"].isna() & (runs["last_robust"].astype(float) > ROBUST)


def judge_comparison(plan: ComparisonPlan, tables: Tables) -> Mapping[str, list[ClaimResult]]:
    """All claims that the outcomes can be asked about.

    Args:
        plan: the comparison.
        tables: "outcomes" among them.

    Returns:
        Results by question: "prevention" and "best and last".
    """
    outcomes = tables["outcomes"]
    return {"prevention": prevention_claims(outcomes), "best and last": hiding_claims(outcomes)}


def prevention_claims(outcomes: pd.DataFrame) -> list[ClaimResult]:
    """Whether each method prevents catastrophic overfitting where FGSM training shows it.

    Args:
        outcomes: as `comparison_outcomes` returns them.

    Returns:
        One result per group with FGSM in it, and method besides the `CONTROLS`.
    """
    rows: list[ClaimRow[pd.DataFrame]] = []
    for group, methods in _methods_by_group(outcomes).items():
        if REFERENCE in methods:
            rows += [_prevents(group, method) for method in methods if method not in CONTROLS]
    return judge_claims(rows, outcomes)


def hiding_claims(outcomes: pd.DataFrame) -> list[ClaimResult]:
    """Whether a leaderboard of best epochs hides that FGSM training lost its robustness.

    Args:
        outcomes: as `comparison_outcomes` returns them.

    Returns:
        One result per group with FGSM in it.
    """
    rows = [_hides(group) for group, methods in _methods_by_group(outcomes).items() if REFERENCE in methods]
    return judge_claims(rows, outcomes)


def _methods_by_group(outcomes: pd.DataFrame) -> dict[str, list[str]]:
    return {str(group): list(runs["method"].unique()) for group, runs in outcomes.groupby("group", sort=False)}


def _runs(outcomes: pd.DataFrame, group: str, method: str) -> pd.DataFrame:
    """Those that ended, in the order of their seeds."""
    rows = outcomes[(outcomes["group"] == group) & (outcomes["method"] == method)]
    return rows[rows["state"].isin(ENDED)].sort_values("seed")


def _broke(group: str, outcomes: pd.DataFrame) -> pd.Series[bool]:
    return _runs(outcomes, group, REFERENCE)["breakpoint"].notna()


def _reference_breaks(group: str) -> ClaimRow[pd.DataFrame]:
    return breaking("FGSM training", f"share of seeds with a breakpoint, {group}", partial(_broke, group))


def _key(word: str, group: str) -> str:
    kept = "".join(letter if letter.isalnum() else "_" for letter in group.replace("ε", "eps"))
    return f"{word}_{kept}".replace("__", "_")


def _prevents(group: str, method: str) -> ClaimRow[pd.DataFrame]:
    return claim(
        _key(f"{method}_prevents", group),
        f"{method} training prevents catastrophic overfitting in most seeds, {group}",
        f"share of seeds without a breakpoint and with {ROBUST_ACCURACY} above {ROBUST:g} at the end",
        above=MOST, source="ours: after each method's own claim; setting and threshold ours",
        value=lambda outcomes: SeedShare(prevented(_runs(outcomes, group, method))),
        premises=(_reference_breaks(group),),
    )  # fmt: skip


def _hides(group: str) -> ClaimRow[pd.DataFrame]:
    return claim(
        _key("best_hides", group),
        f"the best epoch of FGSM training, chosen on held-out images, hides what the last one has lost, {group}",
        f"best minus last {ROBUST_ACCURACY}, FGSM", above=0.0, source="ours: after a reading of FastAT's table [R]",
        value=lambda outcomes: _lost(_runs(outcomes, group, REFERENCE)), premises=(_reference_breaks(group),),
    )  # fmt: skip


def _lost(runs: pd.DataFrame) -> pd.Series[float]:
    return (runs["best_robust"] - runs["last_robust"]).astype(float)
