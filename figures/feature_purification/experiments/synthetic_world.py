"""What the recipes about the theory show of its experiment (`analyses.purification`): parts of its stacked tables.

Thresholds are ours throughout; what a claim says is the paper's only where its tag is [S].
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pandas as pd

from analyses.core.claims import ClaimTable
from analyses.core.study import Findings
from analyses.purification.claims import CLAIMS
from analyses.purification.plan import PLANS, TheoryPlan
from analyses.purification.results import TheoryResults
from analyses.purification.study import STUDY
from cotoolkit.plotting.style import BLUE, VERMILION
from figures.study_recipes import StudyRecipes

RECIPES_OF = StudyRecipes(STUDY, PLANS)

STAGES = {"clean": ("after clean training", VERMILION, "--"), "fgm": ("then FGM training", BLUE, "-")}
"""Label, colour and line of the two stages that are compared."""


def every_setting(*names: str) -> Callable[[Findings[TheoryPlan]], pd.DataFrame]:
    """Some tables of all settings, stacked, with the scale."""

    def table(findings: Findings[TheoryPlan]) -> pd.DataFrame:
        data = findings.tables["theory"]
        rows: pd.DataFrame = data[data["table"].isin(names)]
        return rows.dropna(axis="columns", how="all").reset_index(drop=True).assign(scale=findings.plan.scale)

    return table


def largest_setting(*names: str) -> Callable[[Findings[TheoryPlan]], pd.DataFrame]:
    """The same of the largest setting with all stages."""

    def table(findings: Findings[TheoryPlan]) -> pd.DataFrame:
        data = every_setting(*names)(findings)
        rows: pd.DataFrame = data[data["setting"] == findings.plan.largest.name]
        return rows.dropna(axis="columns", how="all").reset_index(drop=True)

    return table


def theory_claims(*keys: str) -> ClaimTable[TheoryResults]:
    """The theory's predictions, on a table of `every_setting` or `largest_setting`.

    Args:
        *keys: of those wanted; none are all.

    Returns:
        The table of claims, with sources that say whose each is.
    """
    rows = [
        dataclasses.replace(row, claim=dataclasses.replace(row.claim, source=source_of(row.claim.source)))
        for row in CLAIMS.rows
        if not keys or row.claim.key in keys
    ]
    return dataclasses.replace(CLAIMS, rows=rows)


def source_of(source: str) -> str:
    """Whose a prediction is, from the tags in the source that `analyses.purification` gives it.

    >>> source_of("Allen-Zhu & Li, arXiv 2005.10190 [S]; threshold ours: most units")
    'paper [S]: abstract or talk, direction only; threshold ours: most units'
    >>> source_of("Allen-Zhu & Li, arXiv 2005.10190 [D, R-med]; threshold ours: most")
    'ours: derived or recollected [D, R-med]; threshold ours: most'
    """
    match = re.search(r"\[(.*?)\]; (.*)", source)
    if match is None:
        raise ValueError(f"{source!r} has no tags")
    tags, threshold = match.groups()
    if tags == "S":
        return f"paper [S]: abstract or talk, direction only; {threshold}"
    kinds = [word for letter, word in (("D", "derived"), ("R-", "recollected")) if letter in tags]
    return f"ours: {' or '.join(kinds)} [{tags}]; {threshold}"
