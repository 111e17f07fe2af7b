"""What of the weights' change across the breakpoint is enough: its best low-rank part, put into the network before."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.breakpoint_mixtures.results import BreakpointResults
from analyses.breakpoint_mixtures.weight_edits import RANKS
from cotoolkit.plotting.style import BLUE, PAGE, VERMILION
from figures.elements import new_figure, percent, seed_band
from figures.feature_purification.across_break_data import (
    OF_GRAFTS,
    RECIPES_OF,
    claims_of_groups,
    has_statistic,
    results_by_group,
    table_of_measures,
)

GRAFTS = ("none", *(f"graft_{rank}" for rank in RANKS), "graft_full")

LABELS = ("0", *map(str, RANKS), "all")
"""Ranks of the grafts."""

PROTOCOLS = {"fgsm": ("FGSM", VERMILION), "pgd-10": ("PGD-10", BLUE)}

CHANGES = {"": ("the breakpoint's", "-", "o"), "_random": ("random", ":", "s")}
"""By the end of an edit's name: whose change it is, its line and its marker."""


def _used(measures: pd.DataFrame) -> pd.Series[bool]:
    """Edits of all layers together, and the accuracies between which they lie."""
    names = [*GRAFTS, *(f"{graft}_random" for graft in GRAFTS), "remove_clean_u1"]
    edits = has_statistic(measures, [("edit", f"{protocol}_{name}") for protocol in PROTOCOLS for name in names])
    own = (measures["arm"] == "fgsm") & measures["offset"].isin([BEFORE, AFTER]) & (measures["layer"] == "")
    return own & (edits | has_statistic(measures, [("accuracy", protocol) for protocol in PROTOCOLS]))


def draw(data: pd.DataFrame) -> Figure:
    """Accuracies of the network before the breakpoint with part of the change put in, and with as much at random."""
    found = results_by_group(data)
    figure, axes = new_figure(PAGE if len(found) > 1 else 4.2, 2.9, 1, len(found), squeeze=False, sharey=True)
    for axis, (group, results) in zip(axes[0], found.items(), strict=True):
        for protocol in PROTOCOLS:
            _accuracies(axis, results, protocol)
        axis.set_xticks(range(len(LABELS)), LABELS)
        axis.set(xlabel="rank of the change put into each layer", title=group if len(found) > 1 else "")
        percent(axis)
    percent(axes[0][0], "accuracy")
    named = axes[0][0].get_legend_handles_labels()
    figure.legend(
        *named,
        loc="outside lower center",
        ncols=2 * len(found),
        title="change put in (thin line: the network after the breakpoint)",
    )
    return figure


def _accuracies(axis: Axes, results: BreakpointResults, protocol: str) -> None:
    """With grafts as lines; of the broken network as a thin line across."""
    name, colour = PROTOCOLS[protocol]
    for end, (whose, line, marker) in CHANGES.items():
        edits = [graft if graft == "none" else f"{graft}{end}" for graft in GRAFTS]
        found = {rank: results.at("fgsm", BEFORE, "edit", f"{protocol}_{edit}", "") for rank, edit in enumerate(edits)}
        shown = pd.concat(found, axis=1).melt(var_name="rank")
        label = f"{name}, {whose}"
        seed_band(axis, shown, "rank", "value", colour=colour, line=line, marker=marker, label=label, dots=True)
    axis.axhline(results.at("fgsm", AFTER, "accuracy", protocol).mean(), color=colour, lw=0.7, alpha=0.6)


RECIPE = RECIPES_OF.recipe(
    "feature_purification/across_break_grafts",
    shows="Accuracy against the rank of the change across the breakpoint that is put in before it",
    item="A question of ours: what of the change across the breakpoint causes the collapse",
    table=table_of_measures(_used),
    draw=draw,
    claims=claims_of_groups(*OF_GRAFTS),
)
