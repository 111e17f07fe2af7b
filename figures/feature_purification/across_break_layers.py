"""Which layers change across the breakpoint of FGSM training, and what one layer's change does on its own."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.breakpoint_mixtures.results import MIXTURE, MIXTURES, BreakpointResults
from analyses.core.statistics import estimate
from cotoolkit.plotting.style import BLUE, PAGE, VERMILION
from figures.elements import new_figure
from figures.feature_purification.across_break_data import (
    OF_LAYERS,
    RECIPES_OF,
    claims_of_groups,
    has_statistic,
    results_by_group,
    table_of_measures,
)

TITLES = {
    "dense_lineage": "dense share,\nagainst PGD",
    "dense_dictionary": "dense share,\nagainst atoms",
    "energy_clean_u1": "energy along\nclean u₁",
    "energy_own_u1": "energy along\nown u₁",
}

ALONE = {
    "graft_full": ("the breakpoint's", VERMILION, "o"),
    "graft_full_random": ("random", BLUE, "s"),
}
"""Edits of one layer: what change is put in, its colour and its marker."""


def _used(measures: pd.DataFrame) -> pd.Series[bool]:
    """The two offsets compared, of FGSM, its control N-FGSM and PGD; of edits the changes of one layer."""
    compared = measures["arm"].isin(["fgsm", "n_fgsm", "pgd"]) & measures["offset"].isin([BEFORE, AFTER])
    edits = has_statistic(measures, [("edit", f"pgd-10_{edit}") for edit in ALONE]) & (measures["layer"] != "")
    none = has_statistic(measures, [("edit", "pgd-10_none")])
    return compared & (has_statistic(measures, [*MIXTURES, ("accuracy", "pgd-10")]) | edits | none)


def draw(data: pd.DataFrame) -> Figure:
    """Changes across the breakpoint, and the share of the fall in PGD accuracy that one layer's change brings alone."""
    found = results_by_group(data)
    figure, axes = new_figure(PAGE, 2.2 * len(found) + 0.6, len(found), len(MIXTURES) + 1, squeeze=False, sharey="row")
    for row, (group, results) in zip(axes, found.items(), strict=True):
        layers = list(results.rows("fgsm", *MIXTURE)["layer"].unique())
        for axis, (part, statistic) in zip(row, MIXTURES, strict=False):
            _dots(axis, [results.excess(part, statistic, layer) for layer in layers], VERMILION, "o")
        _alone(row[-1], results, layers)
        row[0].set_yticks(range(len(layers)), layers)
        row[0].invert_yaxis()
        row[0].set(ylabel="layer" if len(found) == 1 else f"{group}: layer")
    for axis, statistic in zip(axes[0], TITLES, strict=False):
        axis.set(title=TITLES[statistic])
    axes[0][-1].set(title="share of the fall,\none layer's change")
    for axis in axes[-1][:-1]:
        axis.set(xlabel="FGSM minus\nN-FGSM")
    axes[-1][-1].set(xlabel="share\n")
    figure.legend(*axes[0][-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _alone(axis: Axes, results: BreakpointResults, layers: list[str]) -> None:
    for index, (edit, (label, colour, marker)) in enumerate(ALONE.items()):
        shares = [results.collapse_by(edit, layer) for layer in layers]
        _dots(axis, shares, colour, marker, 0.4 * index - 0.2, label=f"{label} change of one layer")


def _dots(
    axis: Axes, values: list[pd.Series[float]], colour: str, marker: str, shift: float = 0.0, label: str = ""
) -> None:
    """Means with 95 % intervals, one place of the y axis per layer; small dots below them are seeds."""
    found = [estimate(value) for value in values]
    means = [one.mean for one in found]
    reach = [[one.mean - one.low for one in found], [one.high - one.mean for one in found]]
    places = [place + shift for place in range(len(found))]
    axis.errorbar(means, places, xerr=reach, fmt=marker, color=colour, ms=3.5, capsize=2, lw=1.2, label=label or None)
    for place, value in zip(places, values, strict=True):
        axis.plot(value, [place + 0.2] * len(value), ".", color=colour, ms=3, mew=0, alpha=0.5)
    axis.axvline(0, color="black", lw=0.7, zorder=0)


RECIPE = RECIPES_OF.recipe(
    "feature_purification/across_break_layers",
    shows="Change of weight mixtures across the breakpoint by layer, and what one layer's change does to robustness",
    item="A question of ours: purification across the breakpoint, by layer",
    table=table_of_measures(_used),
    draw=draw,
    claims=claims_of_groups(*OF_LAYERS),
)
