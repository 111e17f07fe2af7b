"""Image patches as combinations of a few first-layer filters, clean against robust.

Recollected: images as sparse combinations of robust AlexNet filters, to justify the sparse-coding data [R-med]; the
sparsity was not found. Here patches of the filters' size by orthogonal matching pursuit (ours): on digits nine pixels
minus their mean leave eight dimensions, so that four filters explain nearly everything whatever they are. The filters
before training are the control.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from cotoolkit.plotting.style import BLUE, COLUMN, GREY, VERMILION
from figures.elements import new_figure, percent, seed_bands
from figures.feature_purification.experiments.deep_measures import ATOMS
from figures.feature_purification.experiments.deep_networks import STUDIES, deep_setting, measured_parts
from figures.feature_purification.experiments.deep_results import LEARNED, ROBUST, DeepResults
from figures.recipe import Recipe

NETWORKS = {
    "start": ("before training, w₀", GREY, ":", "x"),
    "clean": ("clean, w", VERMILION, "--", "o"),
    "robust": ("robust, w′", BLUE, "-", "s"),
}

FEW = 2
"""Filters a patch may be written with in the claims."""


def draw(data: pd.DataFrame) -> Figure:
    """Against the number of filters."""
    figure, axis = new_figure(COLUMN, 2.3)
    seed_bands(axis, data[data["part"] == "patches"], "network", NETWORKS, "rank", "value")
    axis.set(xlabel="filters per patch", xticks=list(ATOMS))
    percent(axis, "energy of patches explained")
    axis.legend(loc="lower right")
    return figure


def _explained(deep: DeepResults, network: str) -> pd.Series:
    return deep.of("patches", "explained", network=network, rank=FEW)


CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        claim(
            "robust", "Robust filters explain more of a patch than as few clean ones",
            f"explained energy with {FEW} filters, w′ minus w",
            value=lambda deep: _explained(deep, "robust") - _explained(deep, "clean"),
            above=0.0, source="ours: hypothesis, recollected [R-med]", premises=[ROBUST],
        ),
        claim(
            "trained", "Clean-trained filters explain more of a patch than as few random ones",
            f"explained energy with {FEW} filters, w minus w0",
            value=lambda deep: _explained(deep, "clean") - _explained(deep, "start"),
            above=0.0, source="ours: control [M]", premises=[LEARNED],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""Robust filters need fewer atoms."""

RECIPE = Recipe(
    name="feature_purification/sparse_patches",
    shows="Share of an image patch that a few first-layer filters explain, before and after adversarial training",
    item="The figure of sparse reconstruction (recollected)",
    studies=STUDIES,
    collect=measured_parts("patches", "accuracies"),
    draw=draw,
    claims=CLAIMS,
    setting=deep_setting,
)
