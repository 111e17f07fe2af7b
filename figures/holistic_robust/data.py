"""What the recipes on Holistic Robust training show of its study: a part of the plan each, its tables as one.

On digits they train less than the study: robust overfitting at the smallest share of the data, two controls of the
breakpoint, and on wrong labels a quarter of the updates. With a fifth of its updates networks do not overfit yet
(tried).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pandas as pd

from analyses.core.claims import ClaimRow, ClaimTable, with_sources
from analyses.core.plan import with_smoke
from analyses.core.study import Findings
from analyses.holistic_robust.plan import PLAIN, PLANS, WRONG_LABELS, HolisticPlan, hr_name
from analyses.holistic_robust.results import HolisticResults, OnsetResults, OverfittingResults
from analyses.holistic_robust.study import STUDY
from figures.study_recipes import StudyRecipes

R = TypeVar("R", bound=HolisticResults)


def _digits() -> HolisticPlan:
    whole = PLANS["digits"]
    overfitting, onset, poison = (whole.groups[name] for name in ("overfitting", "onset", "poison"))
    shorter = {"epochs": 10, "schedule": {"kind": "multistep", "milestones": (0.5,), "epsilon_warmup": 2}}
    right = (PLAIN, hr_name(0, WRONG_LABELS), hr_name(0.1, 0), f"trim {WRONG_LABELS:g}")
    groups = {
        "overfitting": overfitting.only(("standard, 25%", "AT, 25%", "HR r=0.2, 25%")),
        "onset": onset.only((PLAIN, hr_name(*whole.matched), "permuted", "norm_matched")),
        "poison": poison.only(right).model_copy(update={"settings": {**poison.settings, **shorter}}),
    }
    return whole.model_copy(update={"points": 100, "groups": groups})


GALLERY_PLANS = with_smoke(_digits(), PLANS["laptop"])
"""By scale; at laptop no poison."""


def recipes_of(group: str) -> StudyRecipes[HolisticPlan]:
    """Recipes that show one group of the plan, and train no other."""
    return StudyRecipes(
        STUDY, {scale: plan.part(group) for scale, plan in GALLERY_PLANS.items() if group in plan.groups}
    )


def holistic_table(**kinds: str) -> Callable[[Findings[HolisticPlan]], pd.DataFrame]:
    """Tables of the study, one below the other.

    Args:
        **kinds: name of a table by what its rows say in the column "kind".

    Returns:
        What makes the joint table; its further columns are those of the tables, and scale.
    """

    def table(findings: Findings[HolisticPlan]) -> pd.DataFrame:
        parts = [findings.tables[name].assign(kind=kind) for kind, name in kinds.items()]
        return pd.concat(parts, ignore_index=True).assign(scale=findings.plan.scale)

    return table


def rows_of(data: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of one of the tables."""
    return data[data["kind"] == kind]


def read_overfitting(data: pd.DataFrame) -> OverfittingResults:
    """The finished networks, as the analysis reads them."""
    return OverfittingResults(rows_of(data, "end"))


def read_onset(data: pd.DataFrame) -> OnsetResults:
    """The runs, and the weights around breakpoints where they are there, as the analysis reads them."""
    runs = rows_of(data, "run").astype({"broke": bool})
    return OnsetResults(runs, rows_of(data, "weight"), PLANS[data["scale"].iloc[0]].matched)


DERIVED = "ours: derived [D]"
"""Source of what follows from the method by calculation."""

PROVEN = "guaranteed by construction"
"""Why what no draw could have shown otherwise is not judged."""

CITATIONS = {
    "[P]": "paper [P]: abstract",
    "[D]": DERIVED,
    "[D]; threshold ours": DERIVED,
    "[H]": "ours: hypothesis [H]",
}
"""Sources as figures word them, by the tag in `analyses.holistic_robust.claims`."""


def holistic_claims(
    rows: Sequence[ClaimRow[R]], read: Callable[[pd.DataFrame], R], keys: Sequence[str] = ()
) -> ClaimTable[R]:
    """Claims of the study as those of a recipe; those about arms that are not in its table are left out.

    Args:
        rows: claims of a group.
        read: from the recipe's table to what they take their numbers from.
        keys: of those wanted; none means all.

    Returns:
        The table of claims.
    """
    sources = {row.claim.key: CITATIONS[row.claim.source] for row in rows if not keys or row.claim.key in keys}
    return ClaimTable(with_sources(rows, sources), read, words=lambda n: n.words, arms=lambda n: n.arms)
