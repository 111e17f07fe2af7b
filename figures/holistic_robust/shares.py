"""The finished networks of robust overfitting by share of the data, for every radius r of HR.

If the implied radius falls like 1/n, n times it is flat [D]. The gaps themselves stand in the recipe "overfitting".
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.holistic_robust.claims import OVERFITTING
from cotoolkit.plotting.style import GREEN, METHOD_STYLES, ORANGE, PAGE, PURPLE
from figures.elements import category_axis, new_figure, percent, seed_points
from figures.holistic_robust.data import holistic_claims, holistic_table, read_overfitting, recipes_of, rows_of

PANELS = {
    "n_G5": "n · implied radius (nats)",
    "G4": "best minus last\naccuracy under PGD-20",
    "test_accuracy": "final accuracy under PGD-20",
}
HR_LOOKS = ((GREEN, "o"), (ORANGE, "D"), (PURPLE, "P"))
"""Colour and marker of HR, from the largest radius down."""


def _looks(ends: pd.DataFrame) -> list[tuple[float, str, str, str]]:
    """Radius (nan: standard training), label, colour and marker."""
    radii = sorted(ends["r"].dropna().unique())
    hr = zip(reversed(radii[1:]), HR_LOOKS, strict=False)
    return [
        (0.0, "AT", METHOD_STYLES["pgd"][1], "s"),
        *((r, f"HR, r = {r:g}", colour, marker) for r, (colour, marker) in hr),
        (np.nan, "standard (its clean losses)", METHOD_STYLES["standard"][1], "^"),
    ]


def draw(data: pd.DataFrame) -> Figure:
    """A panel per measure; standard training only where its own loss, the clean one, is meant."""
    ends = rows_of(data, "end")
    shares, looks = list(ends["share"].unique()), _looks(ends)
    figure, axes = new_figure(PAGE, 2.6, 1, len(PANELS))
    for axis, (column, label) in zip(axes, PANELS.items(), strict=True):
        for side, (r, name, colour, marker) in enumerate(looks):
            arm = ends[ends["r"].isna() if np.isnan(r) else ends["r"] == r]
            for place, share in enumerate(shares if column == "n_G5" or not np.isnan(r) else ()):
                values = arm.loc[arm["share"] == share, column].to_list()
                moved = place + 0.2 * (side - (len(looks) - 1) / 2)
                seed_points(axis, moved, values, colour, marker=marker, label="" if place else name)
        category_axis(axis, [f"{share:.0%}" for share in shares])
        # The best accuracy, measured on other images than it was chosen on, may lie below the last.
        low = None if column == "G4" else 0
        axis.set(xlabel="share of the data", ylim=(low, 1.03 if column == "test_accuracy" else None))
        if "accuracy" in label:
            percent(axis, label)
        else:
            axis.set(ylabel=label)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(looks))
    return figure


RECIPE = recipes_of("overfitting").recipe(
    "holistic_robust/shares",
    shows="Implied radius, loss of the best robust accuracy, and final robust accuracy by share of the data and radius",
    item="After 6.2 of the paper (robust overfitting), whose figures could not be read; the implied radius is ours",
    table=holistic_table(end="ends"),
    draw=draw,
    claims=holistic_claims(
        OVERFITTING, read_overfitting, ("hr_keeps_its_best", "hr_more_robust", "radius_falls_with_data")
    ),
)
