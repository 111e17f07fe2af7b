"""Accuracy against the cost of training (T1 and F1 of the spec).

What the paper compares is not known; that training on weak adversaries pays is its claim [P]. The method is our
reconstruction [R], and so are the comparison at equal cost and the attack: the worst of PGD-50, PGD on the margin, and
Square. Seconds are not shown: they would be those of this machine.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import with_sources
from analyses.local_ball.claims import ROWS
from analyses.local_ball.plan import BASELINE_ARMS, LBT_ARMS
from cotoolkit.plotting.style import METHOD_STYLES, ORANGE, PAGE
from figures.elements import new_figure, percent
from figures.local_ball.data import RECIPES_OF, WORST, local_ball_claims, local_ball_table

FAMILIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "fgsm": ("FGSM", ("fgsm",), "v"),
    "n_fgsm": ("N-FGSM", BASELINE_ARMS["N-FGSM"], "^"),
    "pgd": ("PGD", BASELINE_ARMS["PGD"], "s"),
    "trades": ("TRADES", BASELINE_ARMS["TRADES"], "D"),
    "gradalign": ("GradAlign", BASELINE_ARMS["GradAlign"], "P"),
    "local_ball": ("LBT (reconstructed)", LBT_ARMS["LBT-M"], "o"),
}
"""Lines of the picture: name, arms, marker."""

_EQUAL_COST = "ours: reconstructed [R], after the paper's claim T"
_SOURCES = dict.fromkeys(("above_pgd", "above_n_fgsm", "above_trades", "above_gradalign"), _EQUAL_COST) | {
    "not_masked": "ours: reconstructed [R], D8",
}


CLAIMS = local_ball_claims(*with_sources(ROWS, _SOURCES))
"""Claim T against each family that makes a curve, and GradAlign at its own cost; whether the robustness is real."""


def draw(data: pd.DataFrame) -> Figure:
    """A line per family through its means; small dots are seeds."""
    figure, axes = new_figure(PAGE, 2.7, 1, 2)
    for axis, column in zip(axes, ("robust", "clean"), strict=True):
        for family, (name, arms, marker) in FAMILIES.items():
            runs = data[data["arm"].isin(arms)]
            if runs.empty:
                continue
            _, colour, line = ("", ORANGE, "-") if family == "local_ball" else METHOD_STYLES[family]
            means = runs.groupby("arm")[["cost", column]].mean().sort_values("cost")
            axis.plot(means["cost"], means[column], marker=marker, color=colour, ls=line, label=name, ms=5)
            axis.scatter(runs["cost"], runs[column], s=7, color=colour, alpha=0.5, lw=0)
        percent(axis, WORST if column == "robust" else "clean accuracy")
        axis.set(xlabel="cost (forward-backward passes × epochs)")
    low = min(0.0, float(data["robust"].min()))
    axes[0].set(ylim=(low - 0.03, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


RECIPE = RECIPES_OF.recipe(
    "local_ball/cost",
    shows="Accuracy against the cost of training: local-ball training beside single-step methods and PGD",
    item="Accuracy at equal cost; the paper's tables could not be read",
    table=local_ball_table(),
    draw=draw,
    claims=CLAIMS,
)
