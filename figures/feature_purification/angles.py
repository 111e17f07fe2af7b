"""Angles between units before and after training, layer by layer.

That w and w' keep nearly no correlation with w0 while w' stays near w is stated in talk abstracts of the paper [S]; the
table of angles of its deep networks is recollected and its numbers were not found. Networks, data and thresholds are
ours.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.elements import category_axis, new_figure, seed_points, zero_line
from figures.feature_purification.deep import STUDIES, part_of
from figures.recipe import Recipe

SOURCE = "paper [S]: talk abstracts, ordering; threshold ours"

PAIRS = {
    "start-clean": ("w₀, w", VERMILION, "o"),
    "start-robust": ("w₀, w′", BLUE, "s"),
    "clean-robust": ("w, w′", GREEN, "^"),
    "clean-longer": ("w, w after as much clean training", GREY, "D"),
}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Statistics of the angles by layer and pair."""
    return part_of(scale, runner, "angles")


def by_layer(data: pd.DataFrame, pair: str, statistic: str = "median") -> pd.DataFrame:
    """Rows are seeds, columns layers in their order."""
    rows = data[(data["pair"] == pair) & (data["statistic"] == statistic)]
    table = rows.pivot_table(index="seed", columns="layer", values="value")
    return table[list(rows["layer"].unique())]


def draw(data: pd.DataFrame) -> Figure:
    """Median angle of a layer's units for each pair of networks; dotted: the angle of random vectors' mean |cos|."""
    entries = data.groupby("layer", sort=False)["entries"].first()
    figure, axis = new_figure(PAGE, 2.6)
    for index, (pair, (label, colour, marker)) in enumerate(PAIRS.items()):
        table = by_layer(data, pair)
        for place, layer in enumerate(table.columns):
            shown = label if place == 0 else ""
            seed_points(axis, place + 0.2 * (index - 1.5), table[layer].tolist(), colour, marker=marker, label=shown)
    for place, count in enumerate(entries):
        null = np.degrees(np.arccos(np.sqrt(2 / (np.pi * count))))  # of the mean |cos| of random vectors
        axis.plot([place - 0.45, place + 0.45], [null, null], color="black", lw=0.8, ls=":")
    axis.plot([], [], color="black", lw=0.8, ls=":", label="random pairs of n entries")
    zero_line(axis, 45)
    category_axis(axis, [f"layer {name}\nn = {count:.0f}" for name, count in entries.items()])
    axis.set(ylabel="median angle (degrees)", ylim=(-3, 95))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Each a mean over layers."""
    angle = {pair: by_layer(data, pair).mean(axis=1) for pair in (*PAIRS, "start-scratch")}
    return [
        check(
            Claim(
                "order", "purifying turns units less than learning did", "median angle (w, w′) less (w0, w), degrees",
                "below", -10.0, 0.0, SOURCE,
            ),
            angle["clean-robust"] - angle["start-clean"],
        ),
        check(
            Claim(
                "far", "clean training ends far from the start", "median angle (w0, w), degrees", "above", 60.0, 0.0,
                "paper [S]: nearly zero correlation; threshold ours",
            ),
            angle["start-clean"],
        ),
        check(
            Claim(
                "kept", "most of most units is kept: w = βw′ + v with ‖βw′‖ > ‖v‖",
                "share of units with (w, w′) below 45°", "above", 0.5, 0.0, "paper [S]: talk form; threshold ours",
            ),
            by_layer(data, "clean-robust", "within_45").mean(axis=1),
        ),
        check(
            Claim(
                "not_drift", "adversarial training turns units more than clean training for as long",
                "median angle (w, w′) less (w, w after more clean training), degrees", "above", 5.0, 0.0,
                "ours: control [M]",
            ),
            angle["clean-robust"] - angle["clean-longer"],
        ),
        check(
            Claim(
                "global", "adversarial training from the start leads as far from it as clean training",
                "|median angle (w0, adversarial from w0) less (w0, w)|, degrees", "below", 10.0, 0.0,
                "ours: recollected [R-low], global purification",
            ),
            (angle["start-scratch"] - angle["start-clean"]).abs(),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="feature_purification/angles",
    shows="Adversarial training from clean weights turns units less than clean training had",
    item="recollected table of angles θ(w0, w), θ(w0, w′), θ(w, w′) by layer; P9 in deep networks",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
