"""How much of each unit FGM training removes, relative to what it keeps; clean training for as long shows the drift.

w = βw′ + v with v orthogonal to w′ is the paper's form of purification [S: talk]; q is the ratio of the two parts.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analyses.core.study import Findings
from analyses.purification.plan import TheoryPlan
from analyses.purification.tables import TheoryTables
from cotoolkit.plotting.style import BLUE, GREY, PAGE, VERMILION
from figures.elements import new_figure
from figures.feature_purification.experiments.synthetic_world import RECIPES_OF, largest_setting, theory_claims

USED = ["unit", "alive_clean", "pure_clean", "ratio", "residual_norm", "alpha"]
"""Of the units of the first seed."""

COMPARED = {"fgm": ("FGM training", BLUE, "-"), "clean_on": ("clean training for as long", VERMILION, "--")}
"""Label, colour and line of what follows clean training."""


def _used(findings: Findings[TheoryPlan]) -> pd.DataFrame:
    """Scalars, and what is drawn of the units after clean training and after what follows it."""
    data = largest_setting("scalars", "neurons")(findings)
    others = (data["table"] == "neurons") & ~data["stage"].isin(["clean", *COMPARED])
    place = ["table", "setting", "role", "d", "k", "seed", "stage", "statistic", "value", "scale"]
    return data.loc[~others, [*place, *USED]].reset_index(drop=True)


def draw(data: pd.DataFrame) -> Figure:
    """Left the distribution of q over living units, right the residuals of pure ones before and after FGM training."""
    neurons = TheoryTables.unstacked(data).neurons
    figure, (left, right) = new_figure(PAGE, 2.6, 1, 2)
    alive = neurons[neurons["alive_clean"] == 1]
    for stage, (label, colour, line) in COMPARED.items():
        left.ecdf(alive.loc[alive["stage"] == stage, "ratio"], color=colour, ls=line, label=label)
    left.axvline(1, color=GREY, lw=0.7)
    left.annotate("45°", (1, 0.02), (3, 0), textcoords="offset points", fontsize=6.5)
    left.set(xscale="log", xlabel="q = ‖removed‖ / ‖kept‖", ylabel="share of living units below")
    pure = neurons[neurons["pure_clean"] == 1].assign(residual=lambda t: t["residual_norm"] / t["alpha"].abs())
    table = pure.pivot_table(index="unit", columns="stage", values="residual")[["clean", "fgm"]]
    right.scatter(table["clean"], table["fgm"], s=4, color=BLUE, alpha=0.6, lw=0)
    low, high = 0.8 * float(table.min().min()), 1.2 * float(table.max().max())
    right.plot([low, high], [low, high], color=GREY, lw=0.7)
    middle = (low * high) ** 0.5
    right.annotate("unchanged", (middle, middle), (-3, 3), textcoords="offset points", fontsize=6.5, ha="right")
    right.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    right.set(xlabel="residual / feature after clean training", ylabel="after FGM training")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


CLAIMS = theory_claims("purification_ratios")
"""Most of most units is kept; what is removed is one shared direction."""

RECIPE = RECIPES_OF.recipe(
    "feature_purification/purification_ratios",
    shows="What of each unit FGM training removes against what it keeps, beside clean training for as long",
    item="Predictions P9 and P10",
    table=_used,
    draw=draw,
    claims=CLAIMS,
)
