"""Accuracy against the radius in the theory's world, before and after purification, under three perturbations."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.purification.tables import TheoryTables
from cotoolkit.plotting.style import GREY, PAGE
from figures.elements import new_figure, percent, seed_bands
from figures.feature_purification.experiments.synthetic_world import RECIPES_OF, STAGES, largest_setting, theory_claims

ATTACKS = {"pgd": "PGD", "universal": "one direction, −y D_w", "random": "random direction"}


def draw(data: pd.DataFrame) -> Figure:
    """A panel per perturbation."""
    curves = TheoryTables.unstacked(data).curves
    radius = curves.loc[curves["multiple"] == 1, "radius"].iloc[0]
    figure, axes = new_figure(PAGE, 2.2, 1, len(ATTACKS), sharey=True)
    for axis, (attack, title) in zip(axes, ATTACKS.items(), strict=True):
        rows = curves[curves["attack"] == attack]
        seed_bands(axis, rows, "stage", STAGES, "radius", "accuracy", marker="o", ms=2.5)
        axis.axvline(radius, color=GREY, lw=0.7)
        axis.set(title=title, xlabel="l2 radius τ", ylim=(0, 1.03))
        percent(axis)
    axes[0].annotate("training", (radius, 0.02), (3, 0), textcoords="offset points", fontsize=6.5)
    percent(axes[0], "accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


CLAIMS = theory_claims("robustness_curves")
"""The clean network breaks, along one direction, and the purified one does not."""

RECIPE = RECIPES_OF.recipe(
    "feature_purification/robustness_curves",
    shows="Accuracy against the size of a perturbation, before and after FGM training",
    item="Predictions P6 and P11",
    table=largest_setting("scalars", "course", "curves"),
    draw=draw,
    claims=CLAIMS,
)
