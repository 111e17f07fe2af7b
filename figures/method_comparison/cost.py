"""Robust accuracy against the cost of an update, of the last network and of the best one.

No paper's figure: their tables report the best epoch, or the last, and never both. Seconds of an update are in the
table; the picture has passes, which do not depend on the machine.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.method_comparison.claims import hiding_claims
from analyses.method_comparison.page.plots import robustness_against_cost
from figures.method_comparison.data import comparison_recipe, summarised


def draw(data: pd.DataFrame) -> Figure:
    """A row per method by its cost, filled for the last network and hollow for the best; a column per setting."""
    return robustness_against_cost(data, summarised(data))


RECIPE = comparison_recipe(
    "method_comparison/cost",
    shows="Robust accuracy by training method, in order of the cost of an update: last and best network apart",
    draw=draw,
    claims=hiding_claims,
)
