"""How much predictions change in balls of growing radius around adversaries (F3 of the spec, its diagnostic D1).

Ours [R]: the paper's local measure is not known. Adversaries are FGSM's for every network; the change is the mean KL
divergence between the prediction at the adversary and at a random, or at the worst point found, of the ball. What a
search finds is a lower bound of the worst there is.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, claim
from analyses.local_ball.claims import LBT_ROBUST
from analyses.local_ball.plan import RHO
from analyses.local_ball.results import LocalBallResults
from cotoolkit.plotting.style import BLUE, GREEN, ORANGE, PAGE, PURPLE, VERMILION
from figures.elements import new_figure, seed_bands
from figures.local_ball.data import RECIPES_OF, local_ball_claims, local_ball_table

ARMS = {
    "lbt": ("LBT, m = 1", GREEN, "-", "o"),
    "lbt m=0": ("LBT, m = 0", ORANGE, "--", "s"),
    "centre clean": ("centre clean", PURPLE, "-.", "^"),
    "pgd-3": ("PGD-3", BLUE, "--", "D"),
    "fgsm": ("FGSM", VERMILION, ":", "v"),
}
KINDS = {"kappa_random": "random point", "kappa_worst": "worst point found"}


def _smoother(key: str, statement: str, other: str, place: float) -> ClaimRow[LocalBallResults]:
    return claim(
        key, statement, f"worst KL found in the ball of {place:g} ε: LBT-M minus {other}, nats",
        below=0.0, source="ours: reconstructed [R], D1", premises=[LBT_ROBUST],
        value=lambda n: (
            n.measured("lbt", "kappa_worst", place=place) - n.measured(other, "kappa_worst", place=place)
        ),
    )  # fmt: skip


CLAIMS = local_ball_claims(
    _smoother("smooth_at", "Local-ball training smooths the ball that it trains on", "fgsm", RHO),
    _smoother(
        "smooth_beyond", "The smoothness of local-ball training reaches to twice the radius of its ball", "fgsm",
        2 * RHO,
    ),
    _smoother(
        "smooth_by_centre",
        "The ball at the adversary is smoother after training on it than after training on one at the image",
        "centre clean", RHO,
    ),
)  # fmt: skip
"""Smoothness at the radius of training, and beyond it, and whether it needs the centre."""


def draw(data: pd.DataFrame) -> Figure:
    """Both kinds of points; the line marks the radius of training."""
    figure, axes = new_figure(PAGE, 2.7, 1, 2, sharey=True)
    for axis, (statistic, title) in zip(axes, KINDS.items(), strict=True):
        seed_bands(axis, data[data["statistic"] == statistic], "arm", ARMS, "place", "value")
        axis.axvline(RHO, color="black", lw=0.7, ls=":")
        places = sorted(data["place"].dropna().unique())
        axis.set(xscale="log", yscale="log", title=title, xlabel="radius of the ball (units of ε; dotted: trained)")
        axis.set_xticks(places, [f"{place:g}" for place in places])
        axis.minorticks_off()
    axes[0].set(ylabel="mean KL from the adversary (nats)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


RECIPE = RECIPES_OF.recipe(
    "local_ball/sensitivity",
    shows="Change of predictions against the radius of a ball around adversaries, by method",
    # To be taken out when laptop is made anew: `worst_kappa` searches from several starts, and never finds less.
    item="A diagnostic of ours; at laptop the stored table is of one search per ball, of 20 steps from one "
    "random start, so that the worst point found may be less bad where the ball is larger",
    table=local_ball_table(*KINDS),
    draw=draw,
    claims=CLAIMS,
)
