"""Purification across the breakpoint: do mixtures fall while FGSM training is robust, and come back when it breaks?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.breakpoint_mixtures.results import MIXTURES, BreakpointResults
from cotoolkit.plotting.style import METHOD_STYLES, PAGE
from figures.elements import mark_breakpoint, new_figure, seed_band
from figures.feature_purification.across_break_data import (
    RECIPES_OF,
    REST,
    claims_of_groups,
    has_statistic,
    results_by_group,
    table_of_measures,
)

PANELS = {
    ("accuracy", "pgd-10"): "PGD-10 accuracy",
    ("mixtures", "dense_lineage"): "dense share of units",
    ("mixtures", "energy_own_u1"): "energy along own u₁",
    ("mixtures", "energy_clean_u1"): "energy along clean u₁",
    ("features", "input_gradient_high_share"): "gradient, high frequencies",
    ("features", "input_gradient_direction_share"): "gradient in carriers' span",
}

ARMS = ("fgsm", "n_fgsm", "gradalign", "pgd", "standard")

TICKS = (-128, -16, -4, 0, 4, 16, 64)

GAINS = (("gain", "gain_carrier"), ("gain", "gain_scrambled"))


def _used(measures: pd.DataFrame) -> pd.Series[bool]:
    """What is drawn or claimed; of gains those at the two offsets compared."""
    gains = has_statistic(measures, GAINS) & measures["offset"].isin([BEFORE, AFTER])
    return has_statistic(measures, [*PANELS, *MIXTURES]) | gains


def draw(data: pd.DataFrame) -> Figure:
    """Statistics of five arms against iterations since the breakpoint of FGSM; linear within 4 iterations of it."""
    found = results_by_group(data)
    figure, axes = new_figure(PAGE, 3.9 * len(found), 2 * len(found), 3, sharex=True, squeeze=False)
    for index, (group, results) in enumerate(found.items()):
        rows = axes[2 * index : 2 * index + 2]
        for axis, ((part, statistic), title) in zip(rows.flat, PANELS.items(), strict=True):
            _course(axis, results, part, statistic)
            axis.set(title=title)
        for axis in rows[:, 0]:
            axis.set(ylabel="share" if len(found) == 1 else f"{group}: share")
    for axis in axes[-1]:
        axis.set(xlabel="iterations since the breakpoint")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _course(axis: Axes, results: BreakpointResults, part: str, statistic: str) -> None:
    for arm in ARMS:
        label, colour, line = METHOD_STYLES[arm]
        offsets = sorted(results.rows(arm, part, statistic)["offset"].dropna().unique())
        rows = [results.at(arm, int(offset), part, statistic).rename(offset) for offset in offsets]
        shown = (
            pd.concat(rows, axis=1).melt(var_name="offset")
            if rows
            else pd.DataFrame(columns=["offset", "value"], dtype=float)
        )
        seed_band(axis, shown, "offset", "value", colour=colour, line=line, marker=".", label=label)
    mark_breakpoint(axis, 0, named=False)
    axis.set_xscale("symlog", linthresh=4)
    axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axis.minorticks_off()


RECIPE = RECIPES_OF.recipe(
    "feature_purification/across_break",
    shows="Weight mixtures, input gradients and robustness of five methods around the breakpoint of FGSM training",
    item="A question of ours: purification across the breakpoint",
    table=table_of_measures(_used),
    draw=draw,
    claims=claims_of_groups(*REST),
)
