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
from analyses.purification.synthetic_world.baselines import NAMES
from cotoolkit.plotting.style import BLUE, VERMILION
from figures.study_recipes import StudyRecipes


def _setting(plan: TheoryPlan) -> str:
    """The theory's world and its network, in words."""
    sizes = "; ".join(
        f"d {one.d}, k {one.k}, m {one.m}, {one.clean_steps} clean and {one.adversarial_steps} FGM steps of "
        f"{one.batch} fresh samples, l2 radius {one.radius:.3g}, {one.seeds} seeds"
        for one in plan.settings
    )
    return f"synthetic sparse coding and a symmetric two-layer network with m units; {sizes}."


RECIPES_OF = StudyRecipes(STUDY, PLANS, setting=_setting)

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


JUDGED_BY = {
    "coefficients": (
        "P2-pure", "P2-coverage", "P3-sign", "P3-density", "P3-accumulated", "P8-mixture", "P8-feature",
        "P8-participation",
    ),
    "robustness_curves": ("P6-loss", "P6-universal", "P6-random", "P11-recovery", "P11-gap", "Q-radius"),
    "time_course": ("P12-mixture", "P12-recovery", "Q-course"),
    "purification_ratios": ("P9-angle", "P9-kept", "P10-direction", "P10-share"),
    "low_complexity": (*(f"P14-{name.replace('_', '-')}" for name in NAMES), "P14-best"),
}  # fmt: skip
"""Keys of predictions by the figure that shows and judges them."""

_FIGURES = {key: figure for figure, keys in JUDGED_BY.items() for key in keys}


def theory_claims(figure: str | None = None) -> ClaimTable[TheoryResults]:
    """The theory's predictions, on a table of `every_setting` or `largest_setting`; those of the paper come first.

    Args:
        figure: whose claims; "predictions" has those that no other figure judges, None all of them.

    Returns:
        The table of claims, with sources that say whose each is.
    """
    rows = [
        dataclasses.replace(row, claim=dataclasses.replace(row.claim, source=source_of(row.claim.source)))
        for row in CLAIMS.rows
        if figure in (None, _FIGURES.get(row.claim.key, "predictions"))
    ]
    return dataclasses.replace(CLAIMS, rows=sorted(rows, key=lambda row: not row.claim.source.startswith("paper")))


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
