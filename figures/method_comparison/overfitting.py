"""Which methods prevent catastrophic overfitting where FGSM training shows it, and when it comes in the others."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.method_comparison.claims import prevention_claims
from analyses.method_comparison.page.plots import breakpoint_times
from figures.method_comparison.data import comparison_recipe, summarised


def draw(data: pd.DataFrame) -> Figure:
    """A row per method: breakpoints of its seeds, and seeds without one at the end; a column per setting."""
    return breakpoint_times(data, summarised(data))


RECIPE = comparison_recipe(
    "method_comparison/overfitting",
    shows="Breakpoints of each seed, by training method",
    draw=draw,
    claims=prevention_claims,
)
