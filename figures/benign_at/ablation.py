"""BAT-style weights, discrimination loss, and their controls (T3 of the spec). All of it is reconstructed or ours.

Controls deal the weights out at random (permuted), keep the mean alone (scaled), weigh the unflagged down (opposite),
take the flags of a finished run (static), or the images known to harm (oracle). If "permuted" does as well, it was not
the finding of harm that helped.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.memorisation.effects import Accuracies
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PAGE
from cotoolkit.studies.scale import Scale
from figures.benign_at.plan import found, world_study
from figures.benign_at.reading import PLAIN, control_claims
from figures.elements import category_axis, new_figure, percent, seed_points, zero_line
from figures.recipe import Recipe

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
CLAIMS = ("c_permuted", "c_scaled", "c_opposite")


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Accuracies on all test images; columns as `accuracy_table`."""
    table = found(runner).accuracies
    wanted = table["arm"].isin([PLAIN, *ARMS]) & (table["group"] == "all") & (table["kind"] == "adversarial")
    return table[wanted & (table["event"] != "robust_small")].assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy less that of plain training, paired by seed."""
    read = Accuracies(data)
    figure, axes = new_figure(PAGE, 2.5, 1, 2)
    for axis, event in zip(axes, ("clean", "robust"), strict=True):
        zero_line(axis)
        for place, (arm, (_, colour, marker)) in enumerate(ARMS.items()):
            values = read.less("adversarial", arm, PLAIN, "all", event)
            seed_points(axis, place, values.tolist(), colour, marker=marker)
        category_axis(axis, [name for name, *_ in ARMS.values()], turned=True)
        percent(axis)
        axis.set(ylabel=f"{event} accuracy, less\nthat of α 0, β 0 (points)")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Is it the finding of harm that helps?"""
    return control_claims(data, CLAIMS)


RECIPE = Recipe(
    name="benign_at/ablation",
    shows="BAT-style weights and discrimination loss, and controls that take the finding of harm away",
    item="T3 of our spec, with its controls",
    studies={"smoke": world_study()},
    collect=collect,
    draw=draw,
    claims=claims,
)
