"""Angles between units before and after training, layer by layer.

That w and w' keep nearly no correlation with w0 while w' stays near w is stated in talk abstracts of the paper [S]; the
table of angles of its deep networks is recollected and its numbers were not found. Networks, data and thresholds are
ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from figures.elements import category_axis, new_figure, seed_points, zero_line
from figures.feature_purification.experiments.deep_networks import STUDIES, deep_setting, measured_parts
from figures.feature_purification.experiments.deep_results import LEARNED, PGD_ACCURACY, ROBUST, DeepResults
from figures.recipe import Recipe

PAIRS = {
    "start-clean": ("w₀, w", VERMILION, "o"),
    "start-robust": ("w₀, w′", BLUE, "s"),
    "clean-robust": ("w, w′", GREEN, "^"),
    "clean-longer": ("w, w after as much clean training", GREY, "D"),
}


def draw(data: pd.DataFrame) -> Figure:
    """Median angle of a layer's units for each pair of networks; dotted: that of random vectors, 90 degrees."""
    deep = DeepResults(data)
    entries = data.groupby("layer", sort=False)["entries"].first()
    figure, axis = new_figure(PAGE, 2.6)
    for index, (pair, (label, colour, marker)) in enumerate(PAIRS.items()):
        table = deep.angles_by_layer(pair)
        for place, layer in enumerate(table.columns):
            shown = label if place == 0 else ""
            seed_points(axis, place + 0.2 * (index - 1.5), table[layer].tolist(), colour, marker=marker, label=shown)
    axis.axhline(90, color="black", lw=0.8, ls=":", label="random pairs")
    zero_line(axis, 45)
    category_axis(axis, [f"layer {name}\nn = {count:.0f}" for name, count in entries.items()])
    axis.set(ylabel="median angle (degrees)", ylim=(-3, 95))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


ROBUST_FROM_SCRATCH: ClaimRow[DeepResults] = claim(
    "robust_from_scratch", "Adversarial training from the start makes the network robust",
    f"{PGD_ACCURACY}, adversarial from w0 minus w",
    value=lambda deep: (
        deep.of("accuracies", "pgd-10", network="scratch") - deep.of("accuracies", "pgd-10", network="clean")
    ),
    above=0.1, source="ours: premise",
)  # fmt: skip
"""Premise of what is claimed of adversarial training from the start."""

CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        claim(
            "order", "Purifying turns units less than learning did", "median angle (w, w′) minus (w0, w), degrees",
            value=lambda deep: deep.angle("clean-robust") - deep.angle("start-clean"), below=-10.0, premises=[ROBUST],
            source="paper [S]: talk abstracts, ordering; threshold ours",
        ),
        claim(
            "far", "Clean training ends far from the start", "median angle (w0, w), degrees",
            value=lambda deep: deep.angle("start-clean"), above=60.0, premises=[LEARNED],
            source="paper [S]: nearly zero correlation; threshold ours",
        ),
        claim(
            "kept", "Purifying keeps most of most units: w = βw′ + v with ‖βw′‖ > ‖v‖",
            "share of units with (w, w′) below 45°",
            value=lambda deep: deep.angles_by_layer("clean-robust", "within_45").mean(axis=1), above=0.5,
            source="paper [S]: talk form; threshold ours", premises=[ROBUST],
        ),
        claim(
            "more_than_longer", "Adversarial training turns units more than clean training for as long",
            "median angle (w, w′) minus (w, w after more clean training), degrees",
            value=lambda deep: deep.angle("clean-robust") - deep.angle("clean-longer"), above=5.0, premises=[ROBUST],
            source="ours: control [M]",
        ),
        claim(
            "global", "Adversarial training from the start leads as far from it as clean training",
            "|median angle (w0, adversarial from w0) minus (w0, w)|, degrees",
            value=lambda deep: (deep.angle("start-scratch") - deep.angle("start-clean")).abs(), below=10.0,
            source="ours: recollected [R-low], global purification", premises=[ROBUST_FROM_SCRATCH],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""Each a mean over layers."""

RECIPE = Recipe(
    name="feature_purification/angles",
    shows="Angles between the weights of clean and adversarial training, and of more clean training, by layer",
    item="The table of angles θ(w0, w), θ(w0, w′), θ(w, w′) by layer (recollected); prediction P9 in deep networks",
    studies=STUDIES,
    collect=measured_parts("angles", "accuracies"),
    draw=draw,
    claims=CLAIMS,
    setting=deep_setting,
)
