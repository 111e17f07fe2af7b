"""Image patches as combinations of a few first-layer filters, clean against robust.

Recollected: images as sparse combinations of robust AlexNet filters, to justify the sparse-coding data [R-med]; the
sparsity was not found. Here 3 x 3 patches by orthogonal matching pursuit (ours): nine pixels less their mean leave
eight dimensions, so that four filters explain nearly everything whatever they are. The filters before training are the
control.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.plotting.style import BLUE, COLUMN, GREY, VERMILION
from cotoolkit.studies.scale import Scale
from figures.elements import new_figure, percent, seed_band
from figures.feature_purification.deep import ATOMS, STUDIES, part_of, values
from figures.recipe import Recipe

NETWORKS = {
    "start": ("before training, w₀", GREY, ":", "x"),
    "clean": ("clean, w", VERMILION, "--", "o"),
    "robust": ("robust, w′", BLUE, "-", "s"),
}

FEW = 2
"""Filters a patch may be written with in the claims."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Explained energy by network and number of filters."""
    return part_of(scale, runner, "patches")


def draw(data: pd.DataFrame) -> Figure:
    """Against the number of filters."""
    figure, axis = new_figure(COLUMN, 2.3)
    for network, (label, colour, line, marker) in NETWORKS.items():
        seed_band(
            axis,
            data[data["network"] == network],
            "rank",
            "value",
            colour=colour,
            line=line,
            marker=marker,
            label=label,
        )
    axis.set(xlabel="filters per patch", xticks=list(ATOMS))
    percent(axis, "energy of patches explained")
    axis.legend(loc="lower right")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Robust filters need fewer atoms."""

    def of(network: str) -> pd.Series:
        return values(data, "patches", "explained", network=network, rank=FEW)

    return [
        check(
            Claim("robust", "robust filters explain more of a patch with as few atoms",
                  f"explained energy with {FEW} filters, w′ less w", "above", 0.0, 0.0,
                  "ours: hypothesis, recollected [R-med]"),
            of("robust") - of("clean"),
        ),
        check(
            Claim("trained", "trained filters explain more than random ones",
                  f"explained energy with {FEW} filters, w less w0", "above", 0.0, 0.0, "ours: control [M]"),
            of("clean") - of("start"),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="feature_purification/sparse_patches",
    shows="How much of an image patch a few first-layer filters explain, before and after adversarial training",
    item="recollected figure of sparse reconstruction",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
