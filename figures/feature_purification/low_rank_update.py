"""Robustness from a low-rank part of what adversarial training changed.

Version 4 of the paper adds experiments with low-rank updates [S: that it has them]; their numbers were not found. Here
the update of every layer is truncated after training (the spec's post-hoc version, ours), among the biases of the
robust network, so that the full update is that network. With the clean network's biases even the full update of the
weights made no network robust in a first version of this recipe; that line stays. The control turns the update's input
directions to random ones and keeps its spectrum.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from cotoolkit.plotting.style import BLUE, COLUMN, GREEN, GREY, ORANGE
from figures.elements import new_figure, percent, seed_bands
from figures.feature_purification.experiments.deep_measures import RANKS
from figures.feature_purification.experiments.deep_networks import STUDIES, deep_setting, measured_parts
from figures.feature_purification.experiments.deep_results import PGD_ACCURACY, ROBUST, DeepResults
from figures.recipe import Recipe

KINDS = {
    "update": ("update", BLUE, "-", "o"),
    "clean biases": ("with clean biases", ORANGE, "-.", "s"),
    "random": ("random directions", GREY, ":", "x"),
}

LOW = 4
"""Rank that counts as low in the claims; the layers have 16 to 64 units on digits."""


def draw(data: pd.DataFrame) -> Figure:
    """PGD accuracy against the rank; ranks stand at equal distances."""
    order = [0, *RANKS, -1]
    figure, axis = new_figure(COLUMN, 2.4)
    rows = data[(data["part"] == "ranks") & (data["statistic"] == "pgd-10")]
    placed = rows.assign(place=rows["rank"].map({rank: place for place, rank in enumerate(order)}))
    seed_bands(axis, placed, "network", KINDS, "place", "value")
    robust = DeepResults(data).of("accuracies", "pgd-10", network="robust")
    axis.axhline(robust.mean(), color=GREEN, lw=1, ls="--", label="w′ itself")
    axis.set_xticks(range(len(order)), ["0", *map(str, RANKS), "full"])
    axis.set(xlabel="rank of each layer's update w′ − w")
    percent(axis, "PGD-10 accuracy")
    axis.legend(loc="best")
    return figure


def _gain(deep: DeepResults, network: str, rank: int) -> pd.Series:
    """Share of the robust network's gain in PGD accuracy that an update of some rank gives, by seed."""
    clean = deep.of("accuracies", "pgd-10", network="clean")
    own = deep.of("ranks", "pgd-10", network=network, rank=rank)
    return (own - clean) / deep.robust_minus("clean", "accuracies", "pgd-10")


SHARE = f"share of the gain in {PGD_ACCURACY}"

LOW_RANK: ClaimRow[DeepResults] = claim(
    "low_rank", f"Rank {LOW} of the update gives half of the robustness", SHARE,
    value=lambda deep: _gain(deep, "update", LOW), above=0.5, premises=[ROBUST],
    source="ours: post-hoc version [M]; that low-rank updates do is in the paper's version 4 [S], their rank is not",
)  # fmt: skip
"""Also the premise of its control."""

CLAIMS: ClaimTable[DeepResults] = ClaimTable(
    rows=(
        LOW_RANK,
        claim(
            "biases",
            "The update of the weights without that of the biases gives less than half of the robustness",
            f"{SHARE}, full rank",
            value=lambda deep: _gain(deep, "clean biases", -1), below=0.5, premises=[ROBUST],
            source="ours: found in the first version of this figure", unjudged="found before it was claimed",
        ),
        claim(
            "random", f"Rank {LOW} in random directions gives no robustness", SHARE,
            value=lambda deep: _gain(deep, "random", LOW), below=0.1, source="ours: control [M]",
            premises=[LOW_RANK],
        ),
    ),
    read=DeepResults,
)  # fmt: skip
"""What a low rank wins back, what random directions of its size do, and what the biases add."""

RECIPE = Recipe(
    name="feature_purification/low_rank_update",
    shows="PGD accuracy against the rank of what is kept of adversarial training's update",
    item="Adversarial training with low-rank updates (the paper's fourth version)",
    studies=STUDIES,
    collect=measured_parts("ranks", "accuracies"),
    draw=draw,
    claims=CLAIMS,
    setting=deep_setting,
)
