"""What a unit is made of in the theory's world: one atom and a dense mixture, before and after purification.

The cartoon that the paper is recollected to draw of this is the same with made-up numbers; these are measured.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.study import Findings
from analyses.purification.plan import TheoryPlan
from analyses.purification.tables import SHOWN_QUANTILES, TheoryTables
from cotoolkit.plotting.style import PAGE
from figures.elements import new_figure
from figures.feature_purification.experiments.synthetic_world import RECIPES_OF, STAGES, largest_setting, theory_claims


def _used(findings: Findings[TheoryPlan]) -> pd.DataFrame:
    """Coefficients of three units and the mixture of all pure ones, of the first seed, with the scalars of all."""
    data = largest_setting("scalars", "course", "coefficients", "neurons")(findings)
    others = (data["table"] == "neurons") & ~(data["stage"].isin(list(STAGES)) & (data["pure"] == 1))
    dropped = ["norm", "alive", "top", "alpha", "mixture", "mass", "density", "participation", "residual_norm"]
    unused = [*dropped, "alive_clean", "pure_clean", "ratio", "angle_clean", "angle_initial"]
    return data[~others].drop(columns=unused).reset_index(drop=True)


def draw(data: pd.DataFrame) -> Figure:
    """Sorted sizes of three units' coefficients, and the mixtures of all pure units."""
    tables = TheoryTables.unstacked(data)
    figure, axes = new_figure(PAGE, 2.1, 1, len(SHOWN_QUANTILES) + 1)
    for axis, quantile in zip(axes, SHOWN_QUANTILES, strict=False):
        for stage, (label, colour, line) in STAGES.items():
            rows = tables.coefficients[
                (tables.coefficients["quantile"] == quantile) & (tables.coefficients["stage"] == stage)
            ]
            sizes = np.sort(rows["coefficient"].abs().to_numpy())[::-1]
            axis.loglog(np.arange(1, len(sizes) + 1), sizes / sizes[0], ls=line, color=colour, label=label)
        axis.set(title=f"unit at quantile {quantile:g}", xlabel="rank of the atom", ylim=(1e-3, 1.4))
        if axis is not axes[0]:
            axis.tick_params(labelleft=False)
    axes[0].set(ylabel="|⟨w, M⟩| / largest")
    scaled = tables.neurons["epsilon"] * tables.neurons["d"] / tables.neurons["k"]
    low, high = np.quantile(scaled, [0.002, 0.998])
    bins = np.linspace(low, high, 30).tolist()
    for stage, (_, colour, line) in STAGES.items():
        axes[-1].hist(
            scaled[tables.neurons["stage"] == stage], bins=bins, color=colour, histtype="step", ls=line, lw=1.2
        )
    axes[-1].axvline(0, color="black", lw=0.7)
    axes[-1].set(title="all pure units", xlabel="mixture ε / (k/d)", ylabel="units")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


CLAIMS = theory_claims("coefficients")
"""One atom, a dense mixture, which purification removes."""

RECIPE = RECIPES_OF.recipe(
    "feature_purification/coefficients",
    shows="Coefficients of units on the atoms, and their mixtures, before and after FGM training",
    item="Predictions P2, P3 and P8, in place of the recollected cartoon",
    table=_used,
    draw=draw,
    claims=CLAIMS,
)
