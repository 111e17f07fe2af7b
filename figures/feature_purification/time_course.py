"""How feature, mixture and robustness grow in clean training, and what FGM training then does to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.purification.tables import TheoryTables
from cotoolkit.plotting.style import BLUE, GREY, PAGE, PURPLE, VERMILION
from figures.elements import new_figure, percent, seed_bands
from figures.feature_purification.experiments.synthetic_world import RECIPES_OF, largest_setting, theory_claims

PANELS = {
    "size": {"alpha": ("feature α", BLUE, "-"), "mixture": ("mixture αε", VERMILION, "--")},
    "ratio": {"epsilon": ("ε = mixture / feature", PURPLE, "-")},
    "accuracy": {"accuracy": ("clean", GREY, ":"), "pgd": ("PGD", BLUE, "-")},
}


def draw(data: pd.DataFrame) -> Figure:
    """Against steps; FGM training is shaded."""
    course = TheoryTables.unstacked(data).course
    start = course.loc[course["phase"] == "clean", "step"].max()
    course = course.assign(at=course["step"] + np.where(course["phase"] == "fgm", start, 0))
    course = course[course["at"] > 0]  # untrained units have nothing yet to be taken apart
    figure, axes = new_figure(PAGE, 2.1, 1, 3, sharex=True)
    for axis, (name, lines) in zip(axes, PANELS.items(), strict=True):
        seed_bands(axis, course, "statistic", lines, "at", "value")
        axis.axvspan(start, course["at"].max(), color=GREY, alpha=0.13, lw=0)
        axis.set(xlabel="step", title=name)
        axis.legend(loc="best")
    axes[0].set(yscale="log", title="feature and mixture", ylabel="mean over pure units")
    axes[1].set(ylim=(0, None), title="their ratio")
    percent(axes[2], "accuracy")
    axes[0].annotate("FGM", (start, 0), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                     fontsize=6.5)  # fmt: skip
    return figure


CLAIMS = theory_claims("time_course")
"""Only adversarial training purifies, and robustness does not come before."""

RECIPE = RECIPES_OF.recipe(
    "feature_purification/time_course",
    shows="Mixtures, features and robustness through clean training and FGM training",
    item="Prediction P12, and how mixtures scale in time",
    table=largest_setting("scalars", "course"),
    draw=draw,
    claims=CLAIMS,
)
