"""Clean and robust accuracy of BAT-style training and of other methods (T1 of the spec, on planted data).

The paper's tables (CIFAR-100, Tiny ImageNet) could not be read; its abstract claims a better trade-off [P]. BAT-style
is reconstructed: weights [U], and in "+ D" the discrimination loss [U]. DOM-RE drops what is fitted well [S].
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.runner import StudyRunner
from analyses.memorisation.claims import CLAIMS as QUESTIONS
from cotoolkit.plotting.style import BLUE, GREEN, ORANGE, PAGE, PURPLE, SKY
from cotoolkit.studies.scale import Scale
from figures.benign_at.data import PLAIN, in_words, knob_studies, planted_claims, with_knobs
from figures.elements import SHARES, category_axis, new_figure, percent, seed_points
from figures.recipe import Recipe

ARMS = {
    PLAIN: ("PGD-AT", BLUE, "s"),
    "trades 6": ("TRADES", SKY, "D"),
    "dom": ("DOM-RE", PURPLE, "^"),
    "weights": ("BAT-style", GREEN, "o"),
    "weights + discrimination": ("BAT-style + D", ORANGE, "P"),
}
EVENTS = {
    "clean": "clean accuracy",
    "robust": "accuracy under PGD-10, at ε",
    "robust_small": "accuracy under PGD-10, at ε/2",
}

_KEYS = ("c_robust", "c_clean", "c_both_clean", "c_both_robust", "c_dom")

CLAIMS = planted_claims(in_words(row for row in QUESTIONS["methods"] if row.claim.key in _KEYS))
"""The better trade-off, at one strength."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Accuracies on all test images; columns as `accuracy_table`."""
    table = with_knobs(scale, runner)
    wanted = table["arm"].isin(ARMS) & (table["group"] == "all") & (table["kind"] == "adversarial")
    return table[wanted].assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """A panel per event."""
    figure, axes = new_figure(PAGE, 2.5, 1, len(EVENTS))
    for axis, (event, title) in zip(axes, EVENTS.items(), strict=True):
        for place, (arm, (_, colour, marker)) in enumerate(ARMS.items()):
            rows = data[(data["arm"] == arm) & (data["event"] == event)]
            seed_points(axis, place, rows["accuracy"].to_list(), colour, marker=marker, within=SHARES)
        category_axis(axis, [name for name, *_ in ARMS.values()], turned=True)
        percent(axis, title)
        axis.set(ylim=(None, 1.02))
    return figure


RECIPE = Recipe(
    name="benign_at/methods",
    shows="Clean and robust accuracy of BAT-style training beside PGD-AT, TRADES and DOM-RE",
    item="The comparison of methods, on planted data; the paper's table could not be read",
    studies=knob_studies(),
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
