"""Linear, polynomial and neural-tangent models of the theory's data beside the purified network.

That none of them can be robust at that radius is in the paper's abstract; the recollected figure of deep networks and
their tangent kernels could not be built (see the package).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.purification.baselines import NAMES
from cotoolkit.plotting.style import PAGE
from cotoolkit.studies.scale import Scale
from figures.elements import category_axis, new_figure, percent, seed_points
from figures.feature_purification.theory import STAGES, STUDIES, collect_largest, judged, tables_of
from figures.recipe import Recipe

KEYS = (*(f"P14-{name.replace('_', '-')}" for name in NAMES), "P14-best")

MODELS = {"network": ("clean_on", "fgm"), **{name: (f"{name}+on", f"{name}+at") for name in NAMES}}
"""By model: its stages after training on clean, and after training on with FGM."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Scalars of the largest setting."""
    return collect_largest(scale, runner)


def draw(data: pd.DataFrame) -> Figure:
    """Clean and PGD accuracy of each model, trained on clean and with FGM."""
    scalars = tables_of(data).scalars
    figure, axes = new_figure(PAGE, 2.5, 1, 2, sharey=True)
    for axis, measure in zip(axes, ("clean", "pgd"), strict=True):
        for way, (label, (_, colour, _), marker) in enumerate(
            zip(("trained on clean", "trained on with FGM"), STAGES.values(), "os", strict=True)
        ):
            for place, stages in enumerate(MODELS.values()):
                rows = scalars[(scalars["stage"] == stages[way]) & (scalars["statistic"] == f"accuracy_{measure}")]
                named = label if place == 0 else ""
                seed_points(axis, place + 0.3 * (way - 0.5), rows["value"].tolist(), colour, marker=marker, label=named)
        category_axis(axis, [name.replace("_", " ") for name in MODELS], turned=True)
        percent(axis)
        axis.set(title=f"{'PGD' if measure == 'pgd' else measure} accuracy")
    percent(axes[0], "accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """FGM training does nothing for them, and none reaches the network."""
    return judged(data, KEYS)


RECIPE = Recipe(
    name="feature_purification/low_complexity",
    shows="FGM training makes the network robust, but no linear, polynomial or tangent-kernel model",
    item="P14; for the recollected comparison of feature learning with the neural tangent kernel",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
