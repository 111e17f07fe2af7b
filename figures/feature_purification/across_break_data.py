"""What the recipes across the breakpoint show of its study: a part of its measures, by group.

A question of ours that neither paper asks; study, measures and claims are those of `analyses.breakpoint_mixtures`. The
gallery has no plan at scale digits: its seven runs a seed, over two rounds, and their measures would take more time
than all other figures of this paper.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import pandas as pd

from analyses.breakpoint_mixtures.claims import ROWS
from analyses.breakpoint_mixtures.plan import PLANS, BreakpointPlan
from analyses.breakpoint_mixtures.results import MIXTURES, BreakpointResults, by_group
from analyses.breakpoint_mixtures.study import STUDY
from analyses.core.claims import judge_claims, with_sources
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Findings
from figures.study_recipes import StudyRecipes

RECIPES_OF = StudyRecipes(STUDY, {"laptop": PLANS["laptop"]}, first_arms=("fgsm",))

COLUMNS = ("group", "seed", "arm", "offset", "part", "layer", "statistic", "value")
"""Of the table of a recipe."""

WHOLE = "whole network"
"""Stands for the empty text of "no layer", with which a CSV file would lose that names such as 0 are text."""

CLAIM_SOURCE = "ours: conjecture [M]"

OF_LAYERS = tuple(f"returns_{statistic}" for _, statistic in MIXTURES)
"""Keys of the claims that the figure of layers judges."""

OF_GRAFTS = ("low_rank", "random_graft_harmless", "signature", "weights_carry_it", "removal_restores")
"""Those that the figure of grafts judges."""

REST = tuple(row.claim.key for row in ROWS if row.claim.key not in (*OF_LAYERS, *OF_GRAFTS))
"""Those that the main figure judges: a claim stands in one figure."""


def table_of_measures(
    wanted: Callable[[pd.DataFrame], pd.Series[bool]],
) -> Callable[[Findings[BreakpointPlan]], pd.DataFrame]:
    """How to make the table of a recipe.

    Args:
        wanted: of the study's measures, which rows the recipe uses.

    Returns:
        The function from the findings to the table.
    """

    def table(findings: Findings[BreakpointPlan]) -> pd.DataFrame:
        measures = findings.tables["measures"]
        rows = measures.loc[wanted(measures), list(COLUMNS)].reset_index(drop=True)
        return rows.assign(layer=rows["layer"].replace("", WHOLE), scale=findings.plan.scale)

    return table


def has_statistic(measures: pd.DataFrame, statistics: Collection[tuple[str, str]]) -> pd.Series[bool]:
    """Which rows are of some statistics.

    Args:
        measures: of the study.
        statistics: part and name of each.

    Returns:
        A truth value per row.
    """
    pairs = pd.MultiIndex.from_frame(measures[["part", "statistic"]])
    return pd.Series(pairs.isin(list(statistics)), index=measures.index)


def results_by_group(data: pd.DataFrame) -> dict[str, BreakpointResults]:
    """The table of a recipe as the analysis reads it."""
    return by_group(data.assign(layer=data["layer"].replace(WHOLE, "")))


def claims_of_groups(*keys: str) -> Callable[[pd.DataFrame], list[ClaimResult]]:
    """The study's claims of every group that a table has; with several, their keys say which.

    Args:
        *keys: of the claims.

    Returns:
        The function from the table to the results.
    """
    rows = with_sources(ROWS, dict.fromkeys(keys, CLAIM_SOURCE))

    def claims(data: pd.DataFrame) -> list[ClaimResult]:
        found = {group: judge_claims(rows, results) for group, results in results_by_group(data).items()}
        if len(found) == 1:
            return next(iter(found.values()))
        return [
            replace(result, claim=replace(result.claim, key=f"{result.claim.key} ({group})"))
            for group, results in found.items()
            for result in results
        ]

    return claims
