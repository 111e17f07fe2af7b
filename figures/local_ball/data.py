"""What the recipes of local-ball training show of its study: one table, runs first, then measures."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analyses.core.claims import ClaimRow, ClaimTable
from analyses.core.plan import with_smoke
from analyses.core.study import Findings
from analyses.local_ball.plan import PLANS, LocalBallPlan
from analyses.local_ball.results import LocalBallResults
from analyses.local_ball.study import MEASURE, STUDY
from figures.study_recipes import StudyRecipes

GALLERY_PLANS = with_smoke(
    digits=PLANS["digits"]
    .only(("fgsm", "lbt rho=0.25", "lbt", "lbt m=0", "centre clean", "n_fgsm x1", "n_fgsm x2", "pgd-2"))
    .model_copy(update={"points": 96}),
    laptop=PLANS["laptop"],
)
"""Parts of the study, so that runs are shared. On digits the baselines cost about what local-ball training does.

PGD has one arm there, a point of the picture and no curve: claim T is not asked about it.
"""

WORST = "accuracy under the worst of PGD-50,\nmargin PGD-50 and Square"
"""The robust accuracy as pictures name it (`analyses.local_ball.results`)."""

RECIPES_OF = StudyRecipes(STUDY, GALLERY_PLANS)

RUN = (
    *("arm", "seed", "units", "cost", "verdict", "breakpoint", "onset", "escaped", "clean", "robust", "pgd-50"),
    "hidden",
)
"""Columns of the outcomes that the table keeps."""


def local_ball_table(*statistics: str) -> Callable[[Findings[LocalBallPlan]], pd.DataFrame]:
    """The table of one row per run, then one per measure of some statistics; columns `RUN`, `MEASURE`, scale."""

    def table(findings: Findings[LocalBallPlan]) -> pd.DataFrame:
        measures = findings.tables["measures"]
        chosen = measures.loc[measures["statistic"].isin(statistics), list(MEASURE)]
        rows = [findings.tables["outcomes"][list(RUN)], chosen]
        return pd.concat(rows, ignore_index=True).assign(scale=findings.plan.scale)

    return table


def read_local_ball(data: pd.DataFrame) -> LocalBallResults:
    """The table as the analysis reads it; its plan has the arms that are there."""
    runs = data[data["statistic"].isna()].astype({"escaped": bool})
    plan = PLANS[data["scale"].iloc[0]].only(runs["arm"].unique())
    return LocalBallResults(plan, runs, data.loc[data["statistic"].notna(), list(MEASURE)])


def local_ball_claims(*rows: ClaimRow[LocalBallResults]) -> ClaimTable[LocalBallResults]:
    """Claims of a recipe; those about arms that are not in its table are left out."""
    return ClaimTable(rows, read_local_ball, arms=lambda found: found.plan.group.arms)
