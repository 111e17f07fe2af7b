"""First-layer filters of the same units before and after adversarial training.

Recollected: AlexNet's first convolution on CIFAR-10, clean above robust [R-high]. At scale laptop the 7 x 7 filters of
one convolution on CIFAR-10; on the digits 3 x 3 filters, on which little can be seen. The claims say what "de-noised"
should mean for them (ours). On the digits many robust filters are single pixels: they have less total variation for
having fewer entries, not for being smooth.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from figures.feature_purification.experiments.deep_networks import STUDIES, deep_setting, measured_parts
from figures.feature_purification.experiments.deep_results import ROBUST, ROBUST_BY_FGSM, DeepResults
from figures.feature_purification.experiments.image_grid import image_grid
from figures.recipe import Recipe

SHOWN = 16


def draw(data: pd.DataFrame) -> Figure:
    """The same units in each row; each filter has its own scale."""
    rows = {"clean, w": "clean", "longer clean": "longer", "robust, w′": "robust", "FGSM, w″": "fgsm"}
    return image_grid(data, "filters", rows, SHOWN, height=2)


RECOLLECTED = "ours: hypothesis, recollected [R-high]"
SINGLE_STEP = "ours: conjecture [M], that single-step training purifies"

CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        claim(
            "kin", "A robust filter is recognisably the clean one",
            "mean |cos| of a unit's filters, w and w′ (random ones: 0.27 with 9 weights, 0.07 with 147)",
            value=lambda deep: deep.of("filter_statistics", "lineage_cosine", network="robust"),
            above=0.7, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "smoother", "Robust filters vary less from pixel to pixel than the clean ones",
            "mean total variation of filters of length 1, w′ minus w",
            value=lambda deep: deep.robust_minus("clean", "filter_statistics", "variation"),
            below=0.0, source=RECOLLECTED, premises=[ROBUST],
        ),
        claim(
            "smoother_than_longer",
            "Robust filters vary less from pixel to pixel than after clean training for as long",
            "mean total variation of filters of length 1, w′ minus w after more clean training",
            value=lambda deep: deep.robust_minus("longer", "filter_statistics", "variation"),
            below=0.0, source="ours: control [M]", premises=[ROBUST],
        ),
        claim(
            "fgsm_smoother",
            "Filters after FGSM training vary less from pixel to pixel than after clean training for as long",
            "mean total variation of filters of length 1, w″ minus w after more clean training",
            value=lambda deep: deep.minus("fgsm", "longer", "filter_statistics", "variation"),
            below=0.0, source=SINGLE_STEP, premises=[ROBUST_BY_FGSM],
        ),
        claim(
            "fgsm_same_way", "FGSM training changes filters as PGD training does, more than clean training does",
            "mean cosine with w′ − w: of w″ − w, minus that of more clean training",
            value=lambda deep: deep.minus("fgsm", "longer", "filter_statistics", "change_cosine"),
            above=0.0, source=SINGLE_STEP, premises=[ROBUST, ROBUST_BY_FGSM],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""The filters stay kin and get smoother, and FGSM training does to them what PGD training does."""

RECIPE = Recipe(
    name="feature_purification/filters",
    shows="First-layer filters before and after adversarial training from clean weights",
    item="The figure of first-layer filters (recollected)",
    studies=STUDIES,
    collect=measured_parts("filter_statistics", "filters", "accuracies"),
    draw=draw,
    claims=CLAIMS,
    setting=deep_setting,
)
