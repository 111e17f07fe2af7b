"""Training with a fixed share of wrong labels: HR with alpha, HR with r, and the opposite, trimming (6.1 of the paper).

That HR resists poison of a share alpha is in the abstract [P]; numbers could not be read. That alpha weighs wrong
labels up, not down, is derived [D]. Trimming leaves the highest losses out, and is ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.study import Findings
from analyses.holistic_robust.claims import POISON
from analyses.holistic_robust.plan import PLAIN, HolisticPlan
from analyses.holistic_robust.results import HolisticResults
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from figures.elements import SHARES, category_axis, new_figure, percent, seed_points
from figures.holistic_robust.data import holistic_claims, recipes_of


def poison_rows(findings: Findings[HolisticPlan]) -> pd.DataFrame:
    """One row per arm and seed."""
    return findings.tables["wrong_labels"].assign(scale=findings.plan.scale)


def _look(arm: str) -> tuple[str, str]:
    """Colour and marker of an arm."""
    if arm == PLAIN:
        return BLUE, "s"
    return (VERMILION, "v") if arm.startswith("trim") else (GREEN, "o")


def draw(data: pd.DataFrame) -> Figure:
    """Robust test accuracy, wrong labels learnt, and HR's weight on them."""
    figure, axes = new_figure(PAGE, 2.4, 1, 3)
    arms = list(dict.fromkeys(data["arm"]))
    panels = (
        ("accuracy", "test accuracy under PGD-20"),
        ("memorised", "wrong labels learnt"),
        ("poison_weight", "HR's weight on wrong labels"),
    )
    for axis, (column, label) in zip(axes, panels, strict=True):
        for place, arm in enumerate(arms):
            colour, marker = _look(arm)
            seed_points(
                axis, place, data.loc[data["arm"] == arm, column].to_list(), colour, marker=marker, within=SHARES
            )
        category_axis(axis, arms, turned=True)
        percent(axis, label)
    axes[2].axhline(data["poison_share"].mean(), color=GREY, ls="--", lw=0.9)
    axes[2].annotate("their share", (-0.55, data["poison_share"].mean()), va="top", fontsize=7)
    for axis in axes:
        axis.set(ylim=(0, None))
    return figure


RECIPE = recipes_of("poison").recipe(
    "holistic_robust/poison",
    shows="Accuracy, memorised labels and weights with wrong labels: HR with alpha, with r, and trimming",
    item="6.1 of the paper (poison); its figures could not be read",
    table=poison_rows,
    draw=draw,
    claims=holistic_claims(POISON, HolisticResults),
)
