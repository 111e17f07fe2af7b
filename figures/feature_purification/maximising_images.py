"""Images that raise units of a deep layer most, before and after adversarial training.

Recollected: deep layers of a ResNet, clean beside robust [R-med]; the start images and radii were not found. Here the
middle hidden layer of a small network, from grey, in an l2 ball (ours).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from figures.feature_purification.deep import STUDIES, UNITS, part_of, values
from figures.feature_purification.pictures import picture_rows
from figures.recipe import Recipe

ROWS = {"clean, w": "clean", "robust, w′": "robust", "longer clean": "longer"}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Images of the first seed, and statistics of all."""
    data = part_of(scale, runner, "maximising")
    chosen = (data["statistic"] != "pixel") | (data["seed"] == data["seed"].min())
    rows: pd.DataFrame = data[chosen]
    return rows.reset_index(drop=True)


def draw(data: pd.DataFrame) -> Figure:
    """What was added to grey, the same units in each row; red is brighter, blue is darker."""
    return picture_rows(data, "maximising", ROWS, UNITS, height=3.4)


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Robust features are less noise-like, and the same from wherever one starts."""

    def less(statistic: str, other: str) -> pd.Series:
        def of(network: str) -> pd.Series:
            return values(data, "maximising", statistic, network=network)

        return of("robust") - of(other)

    recollected = "ours: hypothesis, recollected [R-med]"
    high = "share of energy above half the Nyquist frequency"
    return [
        check(
            Claim("smoother", "robust units look for less fine structure", f"{high}, w′ less w", "below", 0.0, 0.0,
                  recollected),
            less("high_frequency", "clean"),
        ),
        check(
            Claim("stable", "and for the same from every start", "mean |cos| of changes from four images, w′ less w",
                  "above", 0.0, 0.0, recollected),
            less("stability", "clean"),
        ),
        check(
            Claim("not_drift", "clean training for as long does not do that",
                  f"{high}, w′ less w after more clean training", "below", 0.0, 0.0, "ours: control [M]"),
            less("high_frequency", "longer"),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="feature_purification/maximising_images",
    shows="What raises units of a deep layer most, before and after adversarial training",
    item="recollected figure of deep features",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
