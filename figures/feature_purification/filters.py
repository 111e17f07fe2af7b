"""First-layer filters of the same units before and after adversarial training.

Recollected: AlexNet's first convolution on CIFAR-10, clean above robust [R-high]. Here the network's 3 x 3 filters, on
which little can be seen; the claims say what "de-noised" should mean for them (ours). On the digits many robust filters
are single pixels: they have less total variation for having fewer entries, not for being smooth.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from figures.feature_purification.experiments.deep_networks import STUDIES, measured_parts
from figures.feature_purification.experiments.deep_results import ROBUST, DeepResults
from figures.feature_purification.experiments.image_grid import image_grid
from figures.recipe import Recipe

SHOWN = 16


def draw(data: pd.DataFrame) -> Figure:
    """The same units, clean above robust; each filter has its own scale, grey is 0."""
    rows = {"clean, w": "clean", "robust, w′": "robust"}
    return image_grid(data, "filters", rows, SHOWN, height=1.1)


RECOLLECTED = "ours: hypothesis, recollected [R-high]"

CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        claim(
            "kin", "a robust filter is recognisably the clean one", "mean |cos| of a unit's filters, w and w′",
            value=lambda deep: deep.of("filter_statistics", "lineage_cosine", network="robust"),
            above=0.7, null=0.39, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "smoother", "robust filters vary less from pixel to pixel than the clean ones",
            "mean total variation of filters of length 1, w′ minus w",
            value=lambda deep: deep.robust_minus("clean", "filter_statistics", "variation"),
            below=0.0, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "smoother_than_longer",
            "robust filters vary less from pixel to pixel than after clean training for as long",
            "mean total variation of filters of length 1, w′ minus w after more clean training",
            value=lambda deep: deep.robust_minus("longer", "filter_statistics", "variation"),
            below=0.0, source="ours: control [M]", premises=[ROBUST],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""The filters stay kin and get smoother."""

RECIPE = Recipe(
    name="feature_purification/filters",
    shows="First-layer filters before and after adversarial training from clean weights",
    item="recollected figure of first-layer filters",
    studies=STUDIES,
    collect=measured_parts("filter_statistics", "filters", "accuracies"),
    draw=draw,
    claims=CLAIMS,
)
