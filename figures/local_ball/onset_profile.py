"""The loss along FGSM's step, around the onset of catastrophic overfitting (section 5 of the spec, its diagnostic D7).

That the loss is no longer monotone along the step is known [S] (Kim et al.); that it tells the needed radius is ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import claim, with_sources
from analyses.local_ball.claims import FGSM_BREAKS, ROWS
from analyses.local_ball.plan import AFTER, BEFORE
from analyses.local_ball.results import LocalBallResults
from cotoolkit.plotting.style import CYCLE, DASHES, GREEN, MARKERS, PAGE, VERMILION
from figures.elements import mark_breakpoint, new_figure, percent, seed_band, seed_bands
from figures.local_ball.data import RECIPES_OF, local_ball_claims, local_ball_table

PLOTTED_OFFSETS = (-64, BEFORE, AFTER, 64)
"""Iterations since the break whose profiles are drawn."""


def _moved_inside(n: LocalBallResults) -> pd.Series[float]:
    before, after = (n.measured("fgsm", "interior_share", offset=offset) for offset in (BEFORE, AFTER))
    return after - before


CLAIMS = local_ball_claims(
    claim(
        "peak_moves_inside",
        "With catastrophic overfitting the loss along FGSM's step stops growing monotonically",
        f"share of images whose loss peaks inside: {AFTER} iterations after the breakpoint minus {-BEFORE} before",
        above=0.0, source="ours: mechanism [R]", premises=[FGSM_BREAKS], value=_moved_inside,
    ),
    *with_sources(ROWS, {"moves_outside": "ours: counter-hypothesis [R]"}),
)  # fmt: skip
"""The peak moves inwards across the break, and what is left of it in networks that do not break."""


def draw(data: pd.DataFrame) -> Figure:
    """Profiles, and how their peak moves inwards."""
    figure, (left, right) = new_figure(PAGE, 2.7, 1, 2)
    around = data[(data["arm"] == "fgsm") & data["offset"].notna()]
    for index, offset in enumerate(PLOTTED_OFFSETS):
        rows = around[(around["statistic"] == "profile") & (around["offset"] == offset)]
        look = {
            "colour": CYCLE[index],
            "line": DASHES[index],
            "marker": MARKERS[index],
            "label": f"{offset:+d}",
            "dots": True,
        }
        seed_band(left, rows, "place", "value", **look)
    left.set(xlabel="place t along the step (0: image, 1: FGSM's end)", ylabel="mean loss (nats)", ylim=(0, None))
    left.legend(title="iterations since the break", title_fontsize=7, ncols=2)
    looks = {
        "interior_share": ("share that peaks inside", VERMILION, "-", "o"),
        "needed_median": ("median of 1 − t*", GREEN, "--", "s"),
    }
    seed_bands(right, around, "statistic", looks, "offset", "value", dots=True)
    mark_breakpoint(right, 0)
    percent(right, "share of images, or of the step")
    right.set(xlabel="iterations since the break", ylim=(-0.03, 1.06))
    right.legend(loc="lower right")
    return figure


RECIPE = RECIPES_OF.recipe(
    "local_ball/onset_profile",
    shows="Loss along FGSM's step around the breakpoint, and where it peaks",
    item="A diagnostic of ours; the paper says nothing of it that was read",
    table=local_ball_table("profile", "needed_median", "interior_share"),
    draw=draw,
    claims=CLAIMS,
)
