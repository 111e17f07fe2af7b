"""Finding (a): what memorising atypical images buys on atypical test images (F2 of the spec).

The finding is in the paper's abstract [P]; the design is ours [R]: train without a random half of the rare planted
sub-clusters, and without as many typical images. "Linked" test images are those of the sub-clusters left out. Planted
data: an existence proof, not evidence about photographs.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.study import Findings
from analyses.memorisation.claims import CLAIMS as QUESTIONS
from analyses.memorisation.plan import MemorisationPlan
from analyses.memorisation.results import MARGIN, Accuracies
from cotoolkit.plotting.style import BLUE, GREY, PAGE, VERMILION
from figures.benign_at.data import PLAIN, PLANTED_RECIPES, in_words, of_main_setting, planted_claims
from figures.elements import category_axis, new_figure, percent, seed_points, zero_line

ARMS = {"without atypical": ("half of the atypical", VERMILION, "o"), "without typical": ("as many typical", BLUE, "s")}
EVENTS = {"clean": "clean", "robust": "PGD-10,\nat ε", "robust_small": "PGD-10,\nat ε/2"}
GROUPS = {"linked": "atypical, of the kinds left out", "unlinked": "atypical, of other kinds"}
HARD = "hard, whatever is left out"
"""Where it is not known which training images a test image depends on, and so nothing is unlinked."""

_AT_HALF = {"a_robust_small_not_lost": "ours: finding (a) at half the radius [R]"}

CLAIMS = planted_claims(in_words(QUESTIONS["benefit"], _AT_HALF))
"""Clean accuracy falls; robust accuracy does not fall by a point, where it has room to."""


def benefit_accuracies(findings: Findings[MemorisationPlan]) -> pd.DataFrame:
    """Accuracies of the arms in question; columns as `accuracy_table`."""
    table = of_main_setting(findings, "accuracies")
    wanted = table["arm"].isin([PLAIN, *ARMS]) & table["group"].isin(GROUPS) & (table["kind"] == "adversarial")
    return table[wanted].assign(scale=findings.plan.scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy lost by leaving images out, by group of test images; the shade is the margin of equivalence."""
    read = Accuracies(data)
    groups = GROUPS if "unlinked" in set(data["group"]) else {"linked": HARD}
    figure, axes = new_figure(PAGE, 2.6, 1, len(groups), sharey=True, squeeze=False)
    axes = axes[0]
    for axis, (group, title) in zip(axes, groups.items(), strict=True):
        axis.axhspan(-MARGIN, MARGIN, color=GREY, alpha=0.25, lw=0)
        zero_line(axis)
        for side, (arm, (name, colour, marker)) in enumerate(ARMS.items()):
            for place, event in enumerate(EVENTS):
                values = read.minus("adversarial", PLAIN, arm, group, event)
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


RECIPE = PLANTED_RECIPES.recipe(
    "benign_at/finding_a",
    shows="Accuracy lost without atypical training images, on atypical and on other test images",
    item="Finding (a) of the abstract, on planted data",
    table=benefit_accuracies,
    draw=draw,
    claims=CLAIMS,
)
