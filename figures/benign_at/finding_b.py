"""Finding (b): atypical images that hurt typical ones (F3 of the spec).

The finding is in the paper's abstract [P]; what counts as harmful there is not known, and our flags are reconstructed
[U]. Arms leave as many images out: flagged ones, random atypical ones, random typical ones, the most memorised ones; on
planted data also exactly those known to harm, or not to.
"""

from __future__ import annotations

import functools

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.memorisation.answers import finding_b
from analyses.memorisation.effects import Accuracies
from cotoolkit.plotting.style import BLUE, GREEN, GREY, MARKERS, ORANGE, PAGE, SKY, VERMILION
from cotoolkit.studies.scale import Scale
from figures.benign_at.plan import WORLD, found, world_study
from figures.benign_at.reading import PLAIN, asked
from figures.elements import category_axis, new_figure, percent, seed_points, zero_line
from figures.recipe import Recipe

AGAINST = "without atypical"
ARMS = {
    PLAIN: ("none", GREY),
    "without typical": ("typical", BLUE),
    "without most memorised": ("most\nmemorised", SKY),
    "without flagged": ("flagged", VERMILION),
    "without harmful": ("harmful\n(known)", ORANGE),
    "without benign": ("benign\n(known)", GREEN),
}
GROUPS = {"typical": "typical test images", "threatened": "those beside harmful ones"}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Accuracies of the arms in question; columns as `accuracy_table`."""
    table = found(runner).accuracies
    wanted = table["arm"].isin([*ARMS, AGAINST]) & table["group"].isin(GROUPS)
    return table[wanted & table["event"].isin(["clean", "robust"])].assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracy less that without random atypical images, by what is left out."""
    read = Accuracies(data)
    figure, axes = new_figure(PAGE, 2.7, 1, 2)
    for axis, (group, title) in zip(axes, GROUPS.items(), strict=True):
        zero_line(axis)
        for place, (arm, (_, colour)) in enumerate(ARMS.items()):
            values = read.less("adversarial", arm, AGAINST, group, "robust")
            seed_points(axis, place, values.tolist(), colour, marker=MARKERS[place])
        category_axis(axis, [name for name, _ in ARMS.values()], turned=True)
        axis.set(title=title, xlabel="training images left out")
        percent(axis)
    axes[0].set(ylabel="robust accuracy, less that\nwithout random atypical (points)")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Do flagged images hurt, more than atypical ones do; and do the images that are known to?"""
    return asked(data, functools.partial(finding_b, world=WORLD))


RECIPE = Recipe(
    name="benign_at/finding_b",
    shows="Robust accuracy on typical test images when flagged, atypical or typical images are left out",
    item="F3 of our spec: finding (b) of the abstract",
    studies={"smoke": world_study()},
    collect=collect,
    draw=draw,
    claims=claims,
)
