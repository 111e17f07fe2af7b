"""What the recipes show of the comparison of methods: one table, a row per run."""

from __future__ import annotations

import pandas as pd

from analyses.core.study import Findings
from analyses.method_comparison.outcomes import OUTCOME, method_summary
from analyses.method_comparison.plan import ComparisonPlan, comparison_plan
from analyses.method_comparison.study import STUDY
from cotoolkit.core.errors import RunError
from cotoolkit.studies.scale import Scale
from figures.study_recipes import StudyRecipes

ON_CIFAR10 = ("fgsm", "n_fgsm")
"""Methods of the figure at scale laptop, each of two passes: what a core trains in two hours."""

SEEDS_ON_CIFAR10 = 6
"""As many as it takes that all of them alike are surely most."""

KEPT: dict[Scale, ComparisonPlan] = {
    "smoke": STUDY.plans["smoke"],
    "digits": STUDY.plans["digits"],
    "laptop": comparison_plan("laptop", ON_CIFAR10, radii=(10 / 255,), seeds=range(SEEDS_ON_CIFAR10)),
}
"""What the figures train, by scale; that of a paper is trained in slices of a GPU, by `cotoolkit compare`."""

RECIPES_OF = StudyRecipes(STUDY, KEPT)


def comparison_table(findings: Findings[ComparisonPlan]) -> pd.DataFrame:
    """One row per run (`analyses.method_comparison.outcomes.OUTCOME`), and the scale.

    Raises:
        RunError: a run failed; a figure shows all of them.
    """
    failed = findings.tables["left_out"].dropna(subset="seed")
    if len(failed):
        first = failed.iloc[0]
        raise RunError(f"{len(failed)} runs failed; {first['method']}, {first['group']}: {first['reason']}")
    return findings.tables["outcomes"][list(OUTCOME)].assign(scale=findings.plan.scale)


def summarised(data: pd.DataFrame) -> pd.DataFrame:
    """The table over seeds, a row per group and method (`method_summary`)."""
    return method_summary(data)
