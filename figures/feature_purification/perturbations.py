"""Adversarial perturbations of the same images for the clean and for the robust network.

Recollected: noise-like for clean, feature-like for robust networks [R-med]. Here l2 PGD-10; a feature is taken to be
the difference between the mean images of two classes (ours).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from figures.feature_purification.deep import SHOWN, STUDIES, part_of, values
from figures.feature_purification.pictures import picture_rows
from figures.recipe import Recipe

ROWS = {"image": "image", "clean, w": "clean", "robust, w′": "robust", "longer clean": "longer"}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Images of the first seed, and statistics of all."""
    data = part_of(scale, runner, "perturbations", "accuracies")
    chosen = (data["statistic"] != "pixel") | (data["seed"] == data["seed"].min())
    rows: pd.DataFrame = data[chosen]
    return rows.reset_index(drop=True)


def draw(data: pd.DataFrame) -> Figure:
    """Perturbations below their images; red is brighter, blue is darker."""
    return picture_rows(data, "perturbations", ROWS, SHOWN, height=4.4, plain="image")


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Less fine structure, more of a class; and that the network is robust at all."""

    def less(part: str, statistic: str, other: str) -> pd.Series:
        def of(network: str) -> pd.Series:
            return values(data, part, statistic, network=network)

        return of("robust") - of(other)

    recollected = "ours: hypothesis, recollected [R-med]"
    return [
        check(
            Claim("robust", "adversarial training from clean weights makes robust", "PGD-10 accuracy, w′ less w",
                  "above", 0.1, 0.0, "ours: condition of all deep figures"),
            less("accuracies", "pgd-10", "clean"),
        ),
        check(
            Claim("smoother", "perturbations of the robust network are less noise-like",
                  "share of energy above half the Nyquist frequency, w′ less w", "below", 0.0, 0.0, recollected),
            less("perturbations", "high_frequency", "clean"),
        ),
        check(
            Claim("feature_like", "and lead more towards the other class",
                  "mean cosine with the difference of class means, w′ less w", "above", 0.0, 0.0, recollected),
            less("perturbations", "towards_class", "clean"),
        ),
        check(
            Claim("not_drift", "clean training for as long does not do that",
                  "mean cosine with the difference of class means, w′ less w after more clean training", "above", 0.0,
                  0.0, "ours: control [M]"),
            less("perturbations", "towards_class", "longer"),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="feature_purification/perturbations",
    shows="Adversarial perturbations of a clean network and of the robust one that came of it",
    item="recollected figure of perturbations; P13 in deep networks",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
