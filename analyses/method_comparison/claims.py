"""Claims about methods: which prevent catastrophic overfitting where FGSM training shows it, and what the best hides.

A method prevents it in a seed if the run has no breakpoint and ends robust. What counts as robust is relative to the
clean accuracy, since attainable ones differ by radius and network; a network that never learned shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import pandas as pd

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.premises import CHANCE, MOST, PREMISE, breaking
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.method_comparison.outcomes import ENDED
from analyses.method_comparison.plan import ComparisonPlan
from cotoolkit.evaluation.relative import OF_CLEAN

REFERENCE = "fgsm"
"""The method that has to overfit catastrophically before others can prevent it."""

CONTROLS = ("standard", REFERENCE)
"""Methods of which nobody expects that they prevent anything."""

ROBUST_ACCURACY = "accuracy under the worst of PGD-50, PGD-50 on the margin and Square with 300 queries on test images"

LEARNED = 2 * CHANCE
"""Clean accuracy above which a network has learned something, as in the diagnosis of a network."""

IS_ROBUST = f"{ROBUST_ACCURACY} above {OF_CLEAN:g} of the clean accuracy and above {CHANCE:g}"

Network = Literal["last", "best", "average"]
"""The networks of a run, by the prefixes of their columns."""


def have_learned(runs: pd.DataFrame, network: Network = "last") -> pd.Series[bool]:
    """Whether networks classify clean images clearly better than guessing.

    Args:
        runs: rows of outcomes.
        network: of each run.

    Returns:
        By row.
    """
    return runs[f"{network}_clean"].astype(float) > LEARNED


def robust(runs: pd.DataFrame, network: Network = "last") -> pd.Series[bool]:
    """Whether networks have learned, and under attack keep a quarter of their clean accuracy, and more than guessing.

    Args:
        runs: rows of outcomes.
        network: of each run.

    Returns:
        By row.
    """
    least = (OF_CLEAN * runs[f"{network}_clean"].astype(float)).clip(lower=CHANCE)
    return have_learned(runs, network) & (runs[f"{network}_robust"].astype(float) > least)


def prevented(runs: pd.DataFrame) -> pd.Series[bool]:
    """Whether runs ended robust, without a breakpoint.

    Args:
        runs: rows of outcomes.

    Returns:
        By row.
    """
    return runs["breakpoint"].isna() & robust(runs)


def same_runs(outcomes: pd.DataFrame, group: str, method: str) -> bool:
    """Whether a method trained the very networks that FGSM training did, so that its breakpoints say nothing more.

    Args:
        outcomes: as `comparison_outcomes` returns them.
        group: of runs.
        method: another than FGSM.

    Returns:
        Whether breakpoints and accuracies of the last networks are the same in all seeds.
    """
    told = ["seed", "breakpoint", "last_clean", "last_robust"]
    own, reference = (_runs(outcomes, group, name)[told].reset_index(drop=True) for name in (method, REFERENCE))
    return own.astype(float).equals(reference.astype(float))


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
        One result per group with FGSM in it, and method besides the `CONTROLS`; one more where a method averages
        weights, and that one alone where it trains as FGSM does.
    """
    rows: list[ClaimRow[pd.DataFrame]] = []
    for group, methods in _methods_by_group(outcomes).items():
        if REFERENCE in methods:
            others = [method for method in methods if method not in CONTROLS]
            rows += [_prevents(group, method) for method in others if not same_runs(outcomes, group, method)]
            rows += [
                _average_is_robust(group, method)
                for method in others
                if _runs(outcomes, group, method)["average_robust"].notna().any()
            ]
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
        f"Training with {method} prevents catastrophic overfitting in most seeds, {group}",
        f"share of seeds without a breakpoint and, at the end, with {IS_ROBUST}",
        above=MOST, source="ours: after each method's own claim; setting and threshold ours",
        value=lambda outcomes: SeedShare(prevented(_runs(outcomes, group, method))),
        premises=(_reference_breaks(group), _learns(group, method, "last")),
    )  # fmt: skip


def _average_is_robust(group: str, method: str) -> ClaimRow[pd.DataFrame]:
    return claim(
        _key(f"{method}_average_robust", group),
        f"The average of {method}'s weights is robust at the end in most seeds, {group}",
        f"share of seeds in which the average has {IS_ROBUST}",
        above=MOST, source="ours: after each method's own claim; setting and threshold ours",
        value=lambda outcomes: SeedShare(robust(_runs(outcomes, group, method), "average")),
        premises=(_reference_breaks(group), _learns(group, method, "average")),
    )  # fmt: skip


def _learns(group: str, method: str, network: Network) -> ClaimRow[pd.DataFrame]:
    return claim(
        "learns", f"Training with {method} learns in most seeds",
        f"share of seeds with clean accuracy above {LEARNED:g} at the end, {method}, {group}",
        above=MOST, source=PREMISE,
        value=lambda outcomes: SeedShare(have_learned(_runs(outcomes, group, method), network)),
    )  # fmt: skip


def _hides(group: str) -> ClaimRow[pd.DataFrame]:
    return claim(
        _key("best_hides", group),
        f"The best epoch of FGSM training, chosen on held-out images, hides what the last one has lost, {group}",
        f"best minus last {ROBUST_ACCURACY}, FGSM", above=0.0, source="ours: after a reading of FastAT's table [R]",
        value=lambda outcomes: _lost(_runs(outcomes, group, REFERENCE)), premises=(_reference_breaks(group),),
    )  # fmt: skip


def _lost(runs: pd.DataFrame) -> pd.Series[float]:
    return (runs["best_robust"] - runs["last_robust"]).astype(float)
