"""How feature, mixture and robustness grow in clean training, and what FGM training then does to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from cotoolkit.plotting.style import BLUE, GREY, PAGE, PURPLE, VERMILION
from cotoolkit.studies.scale import Scale
from figures.elements import new_figure, percent, seed_band
from figures.feature_purification.theory import STUDIES, collect_largest, judged, tables_of
from figures.recipe import Recipe

KEYS = ("P12-mixture", "P12-recovery", "Q-course")

PANELS = {
    "size": (("alpha", "feature α", BLUE, "-"), ("mixture", "mixture αε", VERMILION, "--")),
    "ratio": (("epsilon", "ε = mixture / feature", PURPLE, "-"),),
    "accuracy": (("accuracy", "clean", GREY, ":"), ("pgd", "PGD", BLUE, "-")),
}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Courses and scalars of the largest setting."""
    return collect_largest(scale, runner)


def draw(data: pd.DataFrame) -> Figure:
    """Against steps; FGM training is shaded."""
    course = tables_of(data).course
    start = course.loc[course["phase"] == "clean", "step"].max()
    course = course.assign(at=course["step"] + np.where(course["phase"] == "fgm", start, 0))
    course = course[course["at"] > 0]  # untrained units have nothing yet to be taken apart
    figure, axes = new_figure(PAGE, 2.1, 1, 3, sharex=True)
    for axis, (name, lines) in zip(axes, PANELS.items(), strict=True):
        for statistic, label, colour, line in lines:
            rows = course[course["statistic"] == statistic]
            seed_band(axis, rows, "at", "value", colour=colour, line=line, label=label)
        axis.axvspan(start, course["at"].max(), color=GREY, alpha=0.13, lw=0)
        axis.set(xlabel="step", title=name)
        axis.legend(loc="best")
    axes[0].set(yscale="log", title="feature and mixture", ylabel="mean over pure units")
    axes[1].set(ylim=(0, None), title="their ratio")
    percent(axes[2], "accuracy")
    axes[0].annotate("FGM", (start, 0), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                     fontsize=6.5)  # fmt: skip
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Only adversarial training purifies, and robustness does not come before."""
    return judged(data, KEYS)


RECIPE = Recipe(
    name="feature_purification/time_course",
    shows="Mixtures grow with the features in clean training; FGM training shrinks them as robustness rises",
    item="P12; scaling experiment 4 of the spec",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
