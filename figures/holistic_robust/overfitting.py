"""Robust overfitting over shares of the data: adversarial training, HR, and standard training (6.2 of the paper).

That adversarial training overfits and that HR protects is in the abstract [P]; the paper's figures and numbers could
not be read. Data, network and the measures G1 to G6 are ours. Losses are PGD-20's: lower estimates.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analyses.holistic_robust.claims import OVERFITTING
from analyses.holistic_robust.plan import name_on_share
from cotoolkit.plotting.style import METHOD_STYLES, PAGE
from figures.elements import category_axis, new_figure, percent, seed_band, seed_points, zero_line
from figures.holistic_robust.data import holistic_claims, holistic_table, read_overfitting, recipes_of, rows_of


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracies over training, a panel per share; then the gap of the finished networks by share."""
    course, ends = rows_of(data, "course"), rows_of(data, "end")
    shares, hr = list(ends["share"].unique()), read_overfitting(data).strong
    figure, axes = new_figure(PAGE, 2.6, 1, len(shares) + 1)
    for axis, share in zip(axes, shares, strict=False):
        for radius, name, method, marker in ((0.0, "AT", "pgd", "s"), (hr, f"HR, r = {hr:g}", "holistic_robust", "o")):
            rows = course[course["arm"] == name_on_share(share, radius)]
            colour = METHOD_STYLES[method][1]
            for split, line in (("train", "-"), ("test", "--")):
                look: dict[str, Any] = {"colour": colour, "line": line, "marker": marker, "label": f"{name}, {split}"}
                seed_band(axis, rows, "iteration", f"{split}_accuracy", **look)
        axis.set(title=f"{share:.0%} of the data", xlabel="iteration", ylim=(0, 1.03))
        percent(axis, "accuracy under PGD-20" if axis is axes[0] else "")
    last = axes[-1]
    for side, (r, name, method, marker) in enumerate(
        ((0.0, "AT", "pgd", "s"), (hr, f"HR, r = {hr:g}", "holistic_robust", "o"), (None, "standard", "standard", "^"))
    ):
        for place, share in enumerate(shares):
            gaps = ends.loc[ends["arm"] == name_on_share(share, r), "G2" if r is None else "G1"]
            label = "" if place else name
            seed_points(
                last, place + 0.3 * (side - 1), gaps.to_list(), METHOD_STYLES[method][1], marker=marker, label=label
            )
    category_axis(last, [f"{share:.0%}" for share in shares])
    zero_line(last)
    last.set(
        title="loss gap, test minus training" if len(shares) < 3 else "loss gap",
        ylabel="nats (standard: clean loss)",
        xlabel="share of the data",
    )
    last.legend(loc="best")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


RECIPE = recipes_of("overfitting").recipe(
    "holistic_robust/overfitting",
    shows="Robust accuracy and losses of adversarial training and of HR, by share of the data",
    item="6.2 of the paper (robust overfitting); its figures could not be read",
    table=holistic_table(course="gaps", end="ends"),
    draw=draw,
    claims=holistic_claims(
        OVERFITTING,
        read_overfitting,
        (
            "at_overfits_more",
            "hr_smaller_gap",
            "at_overfits_more_in_radius",
            "hr_smaller_radius",
            "gradient_gap_explains",
        ),
    ),
)
