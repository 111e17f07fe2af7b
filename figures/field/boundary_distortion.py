"""Kim et al. (AAAI 2021): points that are right at x and at x + delta of FGSM, but wrong between them.

The measure was read in their notebook (100 fractions, any distortion above 0 counts; smallest fooling fraction with c =
3, a mean below 1 signals distortion). The runs and the size that a change must have are ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from cotoolkit.plotting.style import GREY, PAGE
from figures.elements import mark_breakpoint, new_figure, percent, seed_bands
from figures.field.breakpoint_statistics import (
    ARM_LOOKS,
    STUDIES,
    aligned,
    before_after,
    collect_statistics,
    spacing_of,
)
from figures.recipe import Recipe

SOURCE = "repository [R]: Kim et al. 2021, notebook"


def draw(data: pd.DataFrame) -> Figure:
    """Distortion, smallest fooling fraction and PGD accuracy against iterations since the break."""
    figure, axes = new_figure(PAGE, 2.2, 1, 3, sharex=True)
    shown = aligned(data, ("distortion", "fooling_fraction", "pgd"), spacing_of(data))
    titles = ("wrong between two right ends", "smallest fooling fraction", "PGD-10 accuracy")
    for axis, statistic, title in zip(axes, ("distortion", "fooling_fraction", "pgd"), titles, strict=True):
        seed_bands(axis, shown[shown["statistic"] == statistic], "arm", ARM_LOOKS, "offset", "value")
        mark_breakpoint(axis, 0, named=axis is axes[2])
        axis.set(
            title=title, xlabel="iterations since the break", ylim=(-0.02, None if statistic == "distortion" else 1.05)
        )
    percent(axes[0], "share of points")
    axes[1].axhline(1, color=GREY, lw=0.7)
    axes[1].set(ylabel="mean k / 3")
    percent(axes[2], "share of points")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        claim(
            "distorts", "after the break some points are wrong only inside the segment to their FGSM example",
            "share of points right at both ends: after the break", above=0.05, source=SOURCE,
            value=lambda data: before_after(data, "distortion")["after"],
        ),
        claim(
            "rises", "distortion rises at the break", "share: after less before", above=0.1,
            source="ours: hypothesis; the notebook has the measure",
            value=lambda data: before_after(data, "distortion").diff(axis=1)["after"],
        ),
        claim(
            "fraction", "after the break a shorter step fools more than the full one",
            "mean smallest fooling fraction after the break", below=1.0, null=1.0, source=SOURCE,
            value=lambda data: before_after(data, "fooling_fraction")["after"],
        ),
        claim(
            "undistorted", "before the break there is next to no distortion",
            "share of points right at both ends: before the break", below=0.05, source="ours: control [M]",
            value=lambda data: before_after(data, "distortion")["before"],
        ),
        claim(
            "only_at_the_break", "nor is there without a break", "share at the same iteration of an intact run",
            below=0.05, source="ours: control [M]",
            value=lambda data: before_after(data, "distortion", "intact")["after"],
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""Distortion comes with the breakpoint, and not without."""


RECIPE = Recipe(
    name="field/boundary_distortion",
    shows="After the break, points are wrong between the image and an FGSM example that is right",
    item="Kim et al. 2021: boundary distortion over training",
    studies=STUDIES,
    collect=collect_statistics,
    draw=draw,
    claims=CLAIMS,
)
