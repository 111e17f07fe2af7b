"""Local-ball training against the radius of its ball (F2 of the spec), and the radius that the loss profile predicts.

Prediction 1 is ours [R]: runs escape catastrophic overfitting where rho exceeds 1 - t*, with t* the place along the
FGSM step at which the loss of an unregularised network peaks around its onset. Radius 0 is FGSM training.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import with_sources
from analyses.local_ball.claims import ROWS
from analyses.local_ball.plan import AFTER, BEFORE
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from figures.elements import new_figure, percent, seed_band
from figures.local_ball.data import RECIPES_OF, local_ball_claims, local_ball_table, read_local_ball

_ONE = "ours: reconstructed [R], prediction 1"
_SOURCES = {
    "delays_break": "ours: reconstructed [R]",
    "threshold_before": _ONE,
    "threshold_after": _ONE,
    "if_and_only_if": _ONE,
    "escape_is_real": "ours: reconstructed [R], D8",
}


CLAIMS = local_ball_claims(*with_sources(ROWS, _SOURCES))
"""Prediction 1; "escape_is_real" only where PGD-3 is at hand."""


def draw(data: pd.DataFrame) -> Figure:
    """The break, and accuracies; the predicted radii stand as dotted lines."""
    read = read_local_ball(data)
    radii = {"fgsm": 0.0, **read.plan.sweep()}
    runs = read.outcomes[read.outcomes["arm"].isin(radii)]
    runs = runs.assign(rho=runs["arm"].map(radii), broke=1 - runs["escaped"].astype(float))
    share = runs.groupby("rho")["broke"].mean()
    figure, (left, right) = new_figure(PAGE, 2.7, 1, 2)
    left.plot(share.index, share, "-o", color=VERMILION, label="runs that break")
    seed_band(left, runs, "rho", "onset", colour=BLUE, line="--", marker="s", label="training until the break")
    for offset, line in ((BEFORE, ":"), (AFTER, "-.")):
        needed = read.measured("fgsm", "needed_median", offset=offset).mean()
        if needed <= runs["rho"].max():  # what lies beyond the radii that were tried is judged, not drawn
            left.axvline(needed, color=GREY, ls=line, label=f"1 − t*, {abs(offset)} it. {_side(offset)}")
    look = {"colour": GREEN, "line": "-.", "marker": "o", "label": "worst of PGD-50, margin PGD-50, Square"}
    seed_band(right, runs, "rho", "robust", dots=True, **look)
    seed_band(right, runs, "rho", "clean", colour=BLUE, line="--", marker="s", label="clean", dots=True)
    percent(left, "share")
    percent(right, "accuracy")
    left.set(ylim=(-0.03, 1.06))
    right.set(ylim=(-0.03, 1.03))
    for axis in (left, right):
        axis.set(xlabel="radius of the ball, ρ (units of ε; 0: FGSM)")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.26), ncols=2)
    return figure


def _side(offset: int) -> str:
    return "before" if offset < 0 else "after"


RECIPE = RECIPES_OF.recipe(
    "local_ball/radius",
    shows="Breaks and accuracy against the radius of the local ball, with the radius that the loss profile predicts",
    item="The radius of the ball, and a prediction of ours; the paper's figure could not be read",
    table=local_ball_table("needed_median"),
    draw=draw,
    claims=CLAIMS,
)
