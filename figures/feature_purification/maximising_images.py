"""Images that raise units of a deep layer most, before and after adversarial training.

Recollected: deep layers of a ResNet, clean beside robust [R-med]; the start images and radii were not found. Here the
middle hidden layer of a small network, from grey, in an l2 ball (ours).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from figures.feature_purification.experiments.deep_measures import UNITS
from figures.feature_purification.experiments.deep_networks import STUDIES, deep_setting, measured_parts
from figures.feature_purification.experiments.deep_results import ROBUST, DeepResults
from figures.feature_purification.experiments.image_grid import image_grid
from figures.recipe import Recipe

ROWS = {"clean, w": "clean", "robust, w′": "robust", "longer clean": "longer"}


def draw(data: pd.DataFrame) -> Figure:
    """What was added to grey, the same units in each row; red is brighter, blue is darker."""
    return image_grid(data, "maximising", ROWS, UNITS, height=3.4)


RECOLLECTED = "ours: hypothesis, recollected [R-med]"

HIGH = "share of energy above half the Nyquist frequency"

CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        claim(
            "smoother", "Robust units look for less fine structure than clean ones", f"{HIGH}, w′ minus w",
            value=lambda deep: deep.robust_minus("clean", "maximising", "high_frequency"),
            below=0.0, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "stable", "Robust units look for the same from every start, more than clean ones do",
            "mean |cos| of changes from four images, w′ minus w",
            value=lambda deep: deep.robust_minus("clean", "maximising", "stability"),
            above=0.0, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "smoother_than_longer",
            "Robust units look for less fine structure than units after clean training for as long",
            f"{HIGH}, w′ minus w after more clean training",
            value=lambda deep: deep.robust_minus("longer", "maximising", "high_frequency"),
            below=0.0, source="ours: control [M]", premises=[ROBUST],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""Robust features are less noise-like, and the same from wherever one starts."""

RECIPE = Recipe(
    name="feature_purification/maximising_images",
    shows="Images that raise units of a deep layer most, before and after adversarial training",
    item="The figure of deep features (recollected)",
    studies=STUDIES,
    collect=measured_parts("maximising", "accuracies"),
    draw=draw,
    claims=CLAIMS,
    setting=deep_setting,
)
