"""Adversarial perturbations of the same images for the clean and for the robust network.

Recollected: noise-like for clean, feature-like for robust networks [R-med]. Here l2 PGD-10; a feature is taken to be
the difference between the mean images of two classes (ours).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from figures.feature_purification.experiments.deep_measures import SHOWN
from figures.feature_purification.experiments.deep_networks import STUDIES, deep_setting, measured_parts
from figures.feature_purification.experiments.deep_results import ROBUST, DeepResults
from figures.feature_purification.experiments.image_grid import image_grid
from figures.recipe import Recipe

ROWS = {"image": "image", "clean, w": "clean", "robust, w′": "robust", "longer clean": "longer"}


def draw(data: pd.DataFrame) -> Figure:
    """Perturbations below their images; red is brighter, blue is darker."""
    return image_grid(data, "perturbations", ROWS, SHOWN, height=4.4, plain="image")


RECOLLECTED = "ours: hypothesis, recollected [R-med]"

CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        claim(
            "smoother", "Perturbations of the robust network are less noise-like",
            "share of energy above half the Nyquist frequency, w′ minus w",
            value=lambda deep: deep.robust_minus("clean", "perturbations", "high_frequency"),
            below=0.0, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "feature_like", "Perturbations of the robust network lead more towards the other class",
            "mean cosine with the difference of class means, w′ minus w",
            value=lambda deep: deep.robust_minus("clean", "perturbations", "towards_class"),
            above=0.0, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "feature_like_than_longer",
            "Perturbations of the robust network lead more towards the other class than after clean training for as "
            "long",
            "mean cosine with the difference of class means, w′ minus w after more clean training",
            value=lambda deep: deep.robust_minus("longer", "perturbations", "towards_class"),
            above=0.0, source="ours: control [M]", premises=[ROBUST],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""Less fine structure, more of a class."""

RECIPE = Recipe(
    name="feature_purification/perturbations",
    shows="Adversarial perturbations of a clean network and of the robust one that came of it",
    item="The figure of perturbations (recollected); prediction P13 in deep networks",
    studies=STUDIES,
    collect=measured_parts("perturbations", "accuracies"),
    draw=draw,
    claims=CLAIMS,
    setting=deep_setting,
)
