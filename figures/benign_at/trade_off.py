"""Clean against robust accuracy as a knob moves: BAT-style alpha, TRADES beta, radius of training (F5 of the spec).

A claim about a trade-off needs curves, not points. The paper claims a better one [P]; the method is reconstructed [U].
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import OFTEN, PREMISE
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.runner import StudyRunner
from analyses.memorisation.plan import ALPHA
from cotoolkit.data.sources.planted import RADIUS
from cotoolkit.plotting.style import BLUE, COLUMN, GREEN, SKY
from cotoolkit.studies.scale import Scale
from figures.benign_at.data import KNOBS, PLAIN, PLANTED_PLANS, knob_studies, with_knobs
from figures.elements import new_figure, percent
from figures.recipe import Recipe

CURVES = {
    "epsilon": ("PGD-AT, radius", BLUE, "s", "--", (-22, -5)),
    "beta": ("TRADES, β", SKY, "D", ":", (3, 5)),
    "alpha": ("BAT-style, α", GREEN, "o", "-", (-4, 6)),
}
"""Knob: name, colour, marker, line, and where the knob's values are written."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per point of a curve and seed: knob, value, seed, clean, robust."""
    table = with_knobs(scale, runner)
    table = table[(table["group"] == "all") & (table["kind"] == "adversarial")]
    wide = table.pivot_table(index=["arm", "seed"], columns="event", values="accuracy").reset_index()
    places = [(arm, knob, value) for arm, (knob, value, _) in KNOBS.items()]
    radius = float(PLANTED_PLANS[scale].groups["planted adversarial"].settings["epsilon"]) / RADIUS
    places += [(PLAIN, "alpha", 0.0), ("weights", "alpha", ALPHA), (PLAIN, "epsilon", radius)]
    points = pd.DataFrame(places, columns=["arm", "knob", "value"]).merge(wide, on="arm")
    return points[["knob", "value", "seed", "clean", "robust"]].assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """A curve through the means of each knob; small dots are seeds."""
    figure, axis = new_figure(COLUMN, 3.0)
    for knob, (name, colour, marker, line, offset) in CURVES.items():
        rows = data[data["knob"] == knob]
        means = rows.groupby("value")[["clean", "robust"]].mean()
        axis.plot(means["clean"], means["robust"], color=colour, marker=marker, ls=line, label=name)
        axis.scatter(rows["clean"], rows["robust"], s=6, color=colour, alpha=0.4, lw=0)
        for value, point in means.iterrows():
            axis.annotate(
                f"{value:g}", (point["clean"], point["robust"]), offset, textcoords="offset points", fontsize=6.5,
                color=colour,
            )  # fmt: skip
    percent(axis, "clean accuracy", which="x")
    percent(axis, "accuracy under PGD-10, at ε")
    axis.legend(loc="best")
    return figure


def above_curve(data: pd.DataFrame, knob: str) -> pd.Series[float]:
    """How much more robust BAT-style weights are than a curve at the same clean accuracy, by seed.

    Of the strongest weights whose clean accuracy lies between the ends of the curve, which is linear between its
    points; nan without any.
    """
    found = {}
    for seed, rows in data.groupby("seed"):
        curve = rows[rows["knob"] == knob].sort_values(["clean", "robust"])
        weighted = rows[(rows["knob"] == "alpha") & (rows["value"] > 0)].sort_values("value")
        within = weighted[weighted["clean"].between(curve["clean"].min(), curve["clean"].max())]
        heights = within["robust"] - np.interp(within["clean"], curve["clean"], curve["robust"])
        found[seed] = heights.iloc[-1] if len(heights) else np.nan
    return pd.Series(found)


def _above(knob: str, name: str) -> ClaimRow[pd.DataFrame]:
    comparable: ClaimRow[pd.DataFrame] = claim(
        "comparable", f"Some BAT-style weights are as accurate on clean images as {name} can be",
        f"share of seeds with weights whose clean accuracy lies between the ends of the curve over {knob}",
        above=OFTEN, source=PREMISE, value=lambda data: SeedShare(above_curve(data, knob).notna()),
    )  # fmt: skip
    return claim(
        f"above_{knob}", f"At equal clean accuracy BAT-style weights are more robust than {name}",
        "PGD-10 accuracy at the radius on all test images, minus that of the curve over "
        f"{knob}, linear between its points",
        above=0.0, source="ours: reconstructed [U], after the paper's better trade-off [P]", premises=[comparable],
        value=lambda data: above_curve(data, knob),
    )  # fmt: skip


CLAIMS = ClaimTable(
    (_above("epsilon", "PGD training at other radii"), _above("beta", "TRADES")), read=lambda data: data
)
"""A better trade-off than moving the radius, and than TRADES."""


RECIPE = Recipe(
    name="benign_at/trade_off",
    shows="Clean against robust accuracy, by BAT-style alpha, TRADES beta, and the radius of training",
    item="The trade-off, on planted data; the paper's curves could not be read",
    studies=knob_studies(),
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
