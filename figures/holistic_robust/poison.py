"""Training with a fixed share of wrong labels: HR with alpha, HR with r, and the opposite, trimming (6.1 of the paper).

That HR resists poison of a share alpha is in the abstract [P]; numbers could not be read. That alpha weighs wrong
labels up, not down, is derived [D]. Trimming leaves the highest losses out, and is ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.holistic_robust.answers import poison_claims
from analyses.holistic_robust.settings import PLAIN
from analyses.holistic_robust.study import losses_of
from analyses.holistic_robust.tables import poison_table
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.elements import category_axis, new_figure, percent, seed_points
from figures.holistic_robust.plan import PLANS, studies
from figures.holistic_robust.sources import sourced
from figures.recipe import Recipe


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm and seed; see `poison_table`."""
    plan = PLANS[scale]
    assert plan.poisoned is not None
    runs = runner.train(plan.study("poison"))
    losses = losses_of(plan, "poison", runs, runner)
    return poison_table(losses, plan.poisoned, int(plan.poisoned.settings["batch_size"])).assign(scale=scale)


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
        ("accuracy", "robust test accuracy"),
        ("memorised", "wrong labels learnt"),
        ("poison_weight", "HR's weight on wrong labels"),
    )
    for axis, (column, label) in zip(axes, panels, strict=True):
        for place, arm in enumerate(arms):
            colour, marker = _look(arm)
            seed_points(axis, place, data.loc[data["arm"] == arm, column].to_list(), colour, marker=marker)
        category_axis(axis, arms, turned=True)
        percent(axis, label)
    axes[2].axhline(data["poison_share"].mean(), color=GREY, ls="--", lw=0.9)
    axes[2].annotate("their share", (-0.55, data["poison_share"].mean()), va="top", fontsize=7)
    for axis in axes:
        axis.set(ylim=(0, None))
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Does alpha resist poison?"""
    plan = PLANS[data["scale"].iloc[0]].poisoned
    assert plan is not None
    return sourced(poison_claims(data, plan))


RECIPE = Recipe(
    name="holistic_robust/poison",
    shows="Training with wrong labels: HR with alpha, with r, and trimming, its opposite",
    item="6.1 of the paper (poison); its figures could not be read",
    studies=studies("poison"),
    collect=collect,
    draw=draw,
    claims=claims,
)
