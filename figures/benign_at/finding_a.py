"""Finding (a): what memorising atypical images buys on atypical test images (F2 of the spec).

The finding is in the paper's abstract [P]; the design is ours [R]: train without a random half of the rare planted
sub-clusters, and without as many typical images. "Linked" test images are those of the sub-clusters left out. Planted
data: an existence proof, not evidence about photographs.
"""

from __future__ import annotations

import dataclasses

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.memorisation.answers import finding_a
from analyses.memorisation.effects import Accuracies
from analyses.memorisation.settings import MARGIN
from cotoolkit.plotting.style import BLUE, GREY, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.benign_at.plan import found, world_study
from figures.benign_at.reading import PLAIN, asked
from figures.elements import category_axis, new_figure, percent, seed_points, zero_line
from figures.recipe import Recipe

ARMS = {"without atypical": ("half of the atypical", VERMILION, "o"), "without typical": ("as many typical", BLUE, "s")}
EVENTS = {"clean": "clean", "robust": "robust,\nat ε", "robust_small": "robust,\nat ε/2"}
GROUPS = {"linked": "atypical, of the kinds left out", "unlinked": "atypical, of other kinds"}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Accuracies of the arms in question; columns as `accuracy_table`."""
    table = found(runner).accuracies
    wanted = table["arm"].isin([PLAIN, *ARMS]) & table["group"].isin(GROUPS) & (table["kind"] == "adversarial")
    return table[wanted].assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy lost by leaving images out, by group of test images; the shade is the margin of equivalence."""
    read = Accuracies(data)
    figure, axes = new_figure(PAGE, 2.6, 1, 2, sharey=True)
    for axis, (group, title) in zip(axes, GROUPS.items(), strict=True):
        axis.axhspan(-MARGIN, MARGIN, color=GREY, alpha=0.25, lw=0)
        zero_line(axis)
        for side, (arm, (name, colour, marker)) in enumerate(ARMS.items()):
            for place, event in enumerate(EVENTS):
                values = read.less("adversarial", PLAIN, arm, group, event)
                label = name if not place else ""
                seed_points(axis, place + 0.36 * side - 0.12, values.tolist(), colour, marker=marker, label=label)
        category_axis(axis, list(EVENTS.values()))
        axis.set(title=f"test images: {title}")
    percent(axes[0])
    axes[0].set(ylabel="accuracy lost (points)")
    figure.legend(
        *axes[0].get_legend_handles_labels(), title="trained without", title_fontsize=7,
        loc="outside upper center", ncols=2,
    )  # fmt: skip
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Clean accuracy falls; robust accuracy is equivalent (two one-sided tests), where it has room to fall."""
    return [_at_half(result) if "small" in result.claim.key else result for result in asked(data, finding_a)]


def _at_half(result: ClaimResult) -> ClaimResult:
    """Half the radius is a question of ours."""
    source = "ours: finding (a) at half the radius [R]"
    return dataclasses.replace(result, claim=dataclasses.replace(result.claim, source=source))


RECIPE = Recipe(
    name="benign_at/finding_a",
    shows="What atypical training images buy on atypical test images: clean accuracy, and robust accuracy",
    item="F2 of our spec: finding (a) of the abstract",
    studies={"smoke": world_study()},
    collect=collect,
    draw=draw,
    claims=claims,
)
