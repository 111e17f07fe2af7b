"""Finding (b): atypical images that hurt typical ones (F3 of the spec).

The finding is in the paper's abstract [P]; what counts as harmful there is not known, and our flags are reconstructed
[U]. Arms leave as many images out: flagged ones, random atypical ones, random typical ones, the most memorised ones; on
planted data also exactly those known to harm, or not to.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.study import Findings
from analyses.memorisation.claims import CLAIMS as QUESTIONS
from analyses.memorisation.plan import MemorisationPlan
from analyses.memorisation.results import Accuracies
from cotoolkit.plotting.style import BLUE, GREEN, GREY, MARKERS, ORANGE, PAGE, SKY, VERMILION
from figures.benign_at.data import PLAIN, PLANTED_RECIPES, in_words, of_main_setting, planted_claims
from figures.elements import category_axis, new_figure, percent, seed_points, zero_line

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

# Whom flagged images threaten is known on planted data alone; that design is none of the paper's.
CLAIMS = planted_claims(in_words(QUESTIONS["harm"], {"b_threatened": "ours: planted construction [R]"}))
"""Do flagged images hurt, more than atypical ones do; and do the images that are known to?"""


def harm_accuracies(findings: Findings[MemorisationPlan]) -> pd.DataFrame:
    """Accuracies of the arms in question; columns as `accuracy_table`."""
    table = of_main_setting(findings, "accuracies")
    wanted = table["arm"].isin([*ARMS, AGAINST]) & table["group"].isin(GROUPS)
    return table[wanted & table["event"].isin(["clean", "robust"])].assign(scale=findings.plan.scale)


def draw(data: pd.DataFrame) -> Figure:
    """Robust accuracy minus that without random atypical images, by what is left out."""
    read = Accuracies(data)
    groups = {group: title for group, title in GROUPS.items() if group in set(data["group"])}
    arms = {arm: look for arm, look in ARMS.items() if arm in set(data["arm"])}
    figure, axes = new_figure(PAGE, 2.7, 1, len(groups), squeeze=False)
    axes = axes[0]
    for axis, (group, title) in zip(axes, groups.items(), strict=True):
        zero_line(axis)
        for place, (arm, (_, colour)) in enumerate(arms.items()):
            values = read.minus("adversarial", arm, AGAINST, group, "robust")
            seed_points(axis, place, values.tolist(), colour, marker=MARKERS[place])
        category_axis(axis, [name for name, _ in arms.values()], turned=True)
        axis.set(title=title, xlabel="training images left out")
        percent(axis)
    axes[0].set(ylabel="accuracy under PGD-10, minus that\nwithout random atypical (points)")
    return figure


RECIPE = PLANTED_RECIPES.recipe(
    "benign_at/finding_b",
    shows="Robust accuracy on typical test images when flagged, atypical or typical images are left out",
    item="Finding (b) of the abstract, on planted data",
    table=harm_accuracies,
    draw=draw,
    claims=CLAIMS,
)
