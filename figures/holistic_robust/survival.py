"""Runs of single-step training that have not broken, over iterations: HR by radius and share, and its controls.

Ours throughout, as in the recipe "onset"; what HR may be said to do to the break was worded before the runs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.survival import kaplan_meier
from analyses.holistic_robust.claims import DECISIVE, ONSET, outcome
from analyses.holistic_robust.plan import PLAIN
from analyses.holistic_robust.tables import arm_table
from cotoolkit.plotting.style import CYCLE, DASHES, MARKERS, PAGE
from figures.elements import new_figure, percent
from figures.holistic_robust.data import holistic_claims, holistic_table, read_onset, recipes_of

CLAIMS = holistic_claims(ONSET, read_onset, DECISIVE)
"""The three that decide whether HR delays the break."""

APART = 0.006
"""By which lines are moved, so that those that coincide are seen."""


def _panels(arms: list[str], hr: str) -> dict[str, list[str]]:
    """Arms by the title of their panel; FGSM and the matched HR are the first in each."""
    weighed = [arm for arm in arms if arm.startswith("HR ") and arm != hr]
    controls = [arm for arm in arms if arm != PLAIN and not arm.startswith("HR ")]
    half = (len(controls) + 1) // 2
    panels = {"worst-case weights": weighed, f"controls of {hr}": controls[:half], "more controls": controls[half:]}
    return {title: [PLAIN, hr, *others] for title, others in panels.items() if others}


def draw(data: pd.DataFrame) -> Figure:
    """Kaplan-Meier curves, with the p of the log-rank test against the matched HR arm."""
    found = read_onset(data)
    runs, hr = found.table, found.hr
    p = arm_table(runs, hr).set_index("arm")["log_rank_p"]
    panels, end = _panels(list(p.index), hr), runs["iterations"].max()
    columns = 2 if len(panels) < 3 else 1
    lines = max(map(len, panels.values())) / columns
    figure, axes = new_figure(PAGE, 2.6 + 0.2 * lines, 1, len(panels), sharey=True, sharex=True, squeeze=False)
    for axis, (title, arms) in zip(axes[0], panels.items(), strict=True):
        for place, arm in enumerate(arms):
            own = runs[runs["arm"] == arm]
            course = kaplan_meier(own["time"], own["broke"])
            times, share = np.r_[course.times, end], np.r_[course.share, course.share[-1]]
            name = "FGSM" if arm == PLAIN else arm.replace("_", " ")
            label = f"{name}, p = {p[arm]:.2g}" if np.isfinite(p[arm]) else name
            look = {"color": CYCLE[place], "ls": DASHES[place], "marker": MARKERS[place]}
            axis.step(times, share + APART * (place - 2), where="post", label=label, **look)
        axis.set(title=title, xlabel="iteration")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=columns)
    axes[0][0].set_xlim(max(0, runs["time"].min() - 0.15 * end), end)
    axes[0][0].set_ylim(-0.03, 1.05)
    percent(axes[0][0], "runs that have not broken")
    words = f"What {hr} does to the break, in the words fixed before the runs: {outcome(CLAIMS(data))}"
    figure.suptitle(f"{words}\np: log-rank test against {hr}")
    return figure


RECIPE = recipes_of("onset").recipe(
    "holistic_robust/survival",
    shows="Runs of FGSM training that have not broken: plain, with HR weights, and with their controls",
    item="A question of ours, not studied in the paper, as far as was read",
    table=holistic_table(run="onsets"),
    draw=draw,
    claims=CLAIMS,
)
