"""Linear, polynomial and neural-tangent models of the theory's data beside the purified network.

That none of them can be robust at that radius is in the paper's abstract; the recollected figure of deep networks and
their tangent kernels could not be built (see the package).
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.purification.synthetic_world.baselines import NAMES
from analyses.purification.tables import TheoryTables
from cotoolkit.plotting.style import PAGE
from figures.elements import category_axis, new_figure, percent, seed_points
from figures.feature_purification.experiments.synthetic_world import RECIPES_OF, STAGES, largest_setting, theory_claims

MODELS = {"network": ("clean_on", "fgm"), **{name: (f"{name}+on", f"{name}+at") for name in NAMES}}
"""By model: its stages after training on clean, and after training on with FGM."""


def draw(data: pd.DataFrame) -> Figure:
    """Clean and PGD accuracy of each model, trained on clean and with FGM."""
    scalars = TheoryTables.unstacked(data).scalars
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


CLAIMS = theory_claims("low_complexity")
"""FGM training does nothing for them, and none reaches the network."""

RECIPE = RECIPES_OF.recipe(
    "feature_purification/low_complexity",
    shows="Accuracy of the network and of linear, polynomial and tangent-kernel models, with and without FGM",
    item="Prediction P14, for the recollected comparison of feature learning with the neural tangent kernel",
    table=largest_setting("scalars", "course"),
    draw=draw,
    claims=CLAIMS,
)
