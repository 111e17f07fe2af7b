"""Which parts of local-ball training matter (T2 of the spec): the local term, its inner step, the centre of the ball.

The paper's idea [P] is a ball centred at the adversary. The loss, and so its ablation, is our reconstruction [R].
Without the local term preset M is FGSM training. The global term belongs to preset T and is not in these plans.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import Lab
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.elements import category_axis, new_figure, percent, seed_points
from figures.local_ball.plan import STUDIES
from figures.local_ball.reading import collected, judged, numbers
from figures.recipe import Recipe

ARMS = {
    "lbt": ("adversary,\nm = 1", GREEN, "o"),
    "lbt m=0": ("adversary,\nm = 0", BLUE, "s"),
    "lbt m=0 unclipped": ("adversary,\nm = 0,\nunclipped", ORANGE, "X"),
    "centre clean": ("clean\nimage,\nm = 1", PURPLE, "^"),
    "centre corner": ("random\ncorner,\nm = 1", GREY, "P"),
    "fgsm": ("no local\nterm\n(FGSM)", VERMILION, "v"),
}
"""Arm: name below, colour, marker."""

SOURCES = {
    "adversary_beats_clean": "ours: test [R] of the paper's idea",
    "adversary_beats_corner": "ours: test [R] of the paper's idea",
    "steps_help": "ours: reconstructed [R], prediction 2",
    "clipping_helps": "ours: reconstructed [R], prediction 2",
}


def collect(scale: Scale, lab: Lab) -> pd.DataFrame:
    """One row per run."""
    return collected(scale, lab)


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracy, and when catastrophic overfitting sets in, by arm."""
    figure, axes = new_figure(PAGE, 2.6, 1, 2)
    arms = [arm for arm in ARMS if arm in set(data["arm"])]
    for axis, column, label in zip(
        axes, ("robust", "onset"), ("robust accuracy", "training until the break"), strict=True
    ):
        for place, arm in enumerate(arms):
            _, colour, marker = ARMS[arm]
            seed_points(axis, place, data.loc[data["arm"] == arm, column].to_list(), colour, marker=marker)
        category_axis(axis, [ARMS[arm][0] for arm in arms])
        percent(axis, label)
    axes[1].set(ylim=(0, 1.05), title="100 %: no break")
    axes[0].set(title="centre of the ball, inner steps m", ylim=(-0.03, None))
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """What each part does."""
    read = numbers(data)
    needed = check(
        Claim(
            "local_term_needed", "without the local term training is less robust",
            "robust accuracy: LBT-M less FGSM", "above", 0.0, 0.0, "ours: reconstructed [R], T2",
        ),
        read.less("lbt", "fgsm").to_numpy(),
    )  # fmt: skip
    return [needed, *judged(data, SOURCES)]


RECIPE = Recipe(
    name="local_ball/ablation",
    shows="The local term, its inner step and the centre of its ball: robust accuracy and the break",
    item="T2 of our spec; the paper's ablation could not be read",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
