"""Kim et al. (AAAI 2021): points that are right at x and at x + delta of FGSM, but wrong between them.

The measure was read in their notebook (100 fractions, any distortion above 0 counts; smallest fooling fraction with c =
3, a mean below 1 signals distortion). The runs and the size that a change must have are ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from cotoolkit.plotting.style import GREY, PAGE
from figures.elements import mark_breakpoint, new_figure, percent, seed_bands
from figures.field.breakpoint_statistics import (
    ARM_LOOKS,
    INTACT_HOLDS,
    POINTS,
    ROBUST_BEFORE,
    STUDIES,
    aligned,
    before_after,
    collect_statistics,
    in_every_seed,
    spacing_of,
)
from figures.recipe import Recipe

SOURCE = "repository [R]: Kim et al. 2021, notebook"


def draw(data: pd.DataFrame) -> Figure:
    """Distortion, smallest fooling fraction and PGD accuracy against iterations since the break."""
    figure, axes = new_figure(PAGE, 2.2, 1, 3, sharex=True)
    shown = in_every_seed(aligned(data, ("distortion", "fooling_fraction", "pgd"), spacing_of(data)))
    titles = ("wrong between two right ends", "smallest fooling fraction", "PGD-10 accuracy")
    for axis, statistic, title in zip(axes, ("distortion", "fooling_fraction", "pgd"), titles, strict=True):
        seed_bands(axis, shown[shown["statistic"] == statistic], "arm", ARM_LOOKS, "offset", "value", dots=True)
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


SHARE = f"share, of those of {POINTS} test images that are right at both ends, that are wrong between"

UNDISTORTED: ClaimRow[pd.DataFrame] = claim(
    "undistorted", "Before the break there is next to no distortion", f"{SHARE}: before the break", below=0.05,
    source="ours: control [M]", value=lambda data: before_after(data, "distortion")["before"],
    premises=(ROBUST_BEFORE,),
)  # fmt: skip
DISTORTS: ClaimRow[pd.DataFrame] = claim(
    "distorts", "After the break some points are wrong only inside the segment to their FGSM example",
    f"{SHARE}: after the break", above=0.05, source=SOURCE,
    value=lambda data: before_after(data, "distortion")["after"], premises=(UNDISTORTED,),
)  # fmt: skip

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        DISTORTS,
        UNDISTORTED,
        claim(
            "only_at_the_break", "Without a break there is next to no distortion",
            f"{SHARE}: at the same iteration of an intact run", below=0.05, source="ours: control [M]",
            value=lambda data: before_after(data, "distortion", "intact")["after"], premises=(INTACT_HOLDS,),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""Distortion comes with the breakpoint, and not without.

The smallest fooling fraction is drawn and not claimed: it is 1 at most, and below 1 wherever a shorter step is enough,
be the boundary distorted or not.
"""


RECIPE = Recipe(
    name="field/boundary_distortion",
    shows="Share of points that are wrong between two right ends, against iterations since the break",
    item="Kim et al. 2021: boundary distortion over training",
    studies=STUDIES,
    collect=collect_statistics,
    draw=draw,
    claims=CLAIMS,
)
