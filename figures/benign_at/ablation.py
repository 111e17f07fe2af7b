"""BAT-style weights, discrimination loss, and their controls (T3 of the spec). All of it is reconstructed or ours.

Controls deal the weights out at random (permuted), keep the mean alone (scaled), weigh the unflagged down (opposite),
take the flags of a finished run (static), or the images known to harm (oracle). If "permuted" does as well, it was not
the finding of harm that helped.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.study import Findings
from analyses.memorisation.claims import CLAIMS as QUESTIONS
from analyses.memorisation.plan import MemorisationPlan
from analyses.memorisation.results import Accuracies
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PAGE
from figures.benign_at.data import PLAIN, PLANTED_RECIPES, in_words, of_main_setting, planted_claims
from figures.elements import category_axis, new_figure, percent, seed_points, zero_line

ARMS = {
    "weights": ("α 4, β 0", GREEN, "o"),
    "discrimination": ("α 0, β 0.1", ORANGE, "P"),
    "weights + discrimination": ("α 4, β 0.1", ORANGE, "D"),
    "permuted": ("permuted", GREY, "s"),
    "scaled": ("scaled", GREY, "^"),
    "opposite": ("opposite", GREY, "v"),
    "static": ("static flags", BLUE, "X"),
    "oracle": ("oracle", BLUE, "*"),
}

EVENTS = {"clean": "clean accuracy", "robust": "accuracy under PGD-10"}

_KEYS = ("c_permuted", "c_scaled", "c_opposite")

CLAIMS = planted_claims(in_words(row for row in QUESTIONS["methods"] if row.claim.key in _KEYS))
"""Is it the finding of harm that helps?"""


def control_accuracies(findings: Findings[MemorisationPlan]) -> pd.DataFrame:
    """Accuracies on all test images; columns as `accuracy_table`."""
    table = of_main_setting(findings, "accuracies")
    wanted = table["arm"].isin([PLAIN, *ARMS]) & (table["group"] == "all") & (table["kind"] == "adversarial")
    return table[wanted & (table["event"] != "robust_small")].assign(scale=findings.plan.scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy minus that of plain training, paired by seed."""
    read = Accuracies(data)
    figure, axes = new_figure(PAGE, 2.5, 1, 2)
    for axis, event in zip(axes, EVENTS, strict=True):
        zero_line(axis)
        for place, (arm, (_, colour, marker)) in enumerate(ARMS.items()):
            values = read.minus("adversarial", arm, PLAIN, "all", event)
            seed_points(axis, place, values.tolist(), colour, marker=marker)
        category_axis(axis, [name for name, *_ in ARMS.values()], turned=True)
        percent(axis)
        axis.set(ylabel=f"{EVENTS[event]}, minus\nthat of α 0, β 0 (points)")
    return figure


RECIPE = PLANTED_RECIPES.recipe(
    "benign_at/ablation",
    shows="Accuracy of BAT-style training minus plain training's, for its parts and for their controls",
    item="Parts of the method and their controls, on planted data; ours",
    table=control_accuracies,
    draw=draw,
    claims=CLAIMS,
)
