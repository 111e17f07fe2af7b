"""Which parts of local-ball training matter (T2 of the spec): the local term, its inner step, the centre of the ball.

The paper's idea [P] is a ball centred at the adversary. The loss, and so its ablation, is our reconstruction [R].
Without the local term preset M is FGSM training. The global term belongs to preset T and is not in these plans.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import claim, with_sources
from analyses.local_ball.claims import LBT_ROBUST, ROBUST_ACCURACY, ROWS
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, VERMILION
from figures.elements import SHARES, category_axis, new_figure, percent, seed_points, seed_times
from figures.local_ball.data import RECIPES_OF, WORST, local_ball_claims, local_ball_table

ARMS = {
    "lbt": ("adversary,\nm = 1", GREEN, "o"),
    "lbt m=0": ("adversary,\nm = 0", BLUE, "s"),
    "lbt m=0 unclipped": ("adversary, m = 0,\nunclipped", ORANGE, "X"),
    "centre clean": ("clean image,\nm = 1", PURPLE, "^"),
    "centre corner": ("random corner,\nm = 1", GREY, "P"),
    "fgsm": ("no local term\n(FGSM)", VERMILION, "v"),
}
"""Arm: name below, colour, marker."""

_SOURCES = {
    "adversary_beats_clean": "ours: test [R] of the paper's idea",
    "adversary_beats_corner": "ours: test [R] of the paper's idea",
    "steps_help": "ours: reconstructed [R], prediction 2",
    "clipping_helps": "ours: reconstructed [R], prediction 2",
}


CLAIMS = local_ball_claims(
    claim(
        "local_term_needed", "Without the local term training is less robust", f"LBT-M minus FGSM: {ROBUST_ACCURACY}",
        above=0.0, source="ours: reconstructed [R], T2", premises=[LBT_ROBUST], value=lambda n: n.minus("lbt", "fgsm"),
    ),
    *with_sources(ROWS, _SOURCES),
)  # fmt: skip
"""What each part does."""


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracy, and when catastrophic overfitting sets in, by arm."""
    figure, axes = new_figure(PAGE, 4.4, 2, 1)
    arms = [arm for arm in ARMS if arm in set(data["arm"])]
    for place, arm in enumerate(arms):
        _, colour, marker = ARMS[arm]
        own = data[data["arm"] == arm].dropna(subset="onset")
        seed_points(axes[0], place, own["robust"].to_list(), colour, marker=marker, within=SHARES)
        seed_times(axes[1], place, own["onset"].to_list(), own["breakpoint"].notna().to_list(), colour, marker=marker)
    for axis, label in zip(axes, (WORST, "training until the break"), strict=True):
        category_axis(axis, [ARMS[arm][0] for arm in arms])
        percent(axis, label)
    axes[1].set(ylim=(0, 1.05), title="hollow: no break")
    axes[0].set(title="centre of the ball, inner steps m", ylim=(-0.03, None))
    return figure


RECIPE = RECIPES_OF.recipe(
    "local_ball/ablation",
    shows="Robust accuracy and time of the break, with and without the local term, its inner step and its centre",
    item="The ablation of the method; the paper's could not be read",
    table=local_ball_table(),
    draw=draw,
    claims=CLAIMS,
)
