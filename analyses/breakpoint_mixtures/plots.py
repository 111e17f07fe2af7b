"""Pictures of the study across the breakpoint, drawn from the measures alone."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.breakpoint_mixtures.arms import AFTER, BEFORE
from analyses.breakpoint_mixtures.edits import RANKS
from analyses.breakpoint_mixtures.lookup import Lookup
from analyses.core.statistics import Estimate, estimate
from cotoolkit.plotting.style import STYLE

ARMS = {  # arm: label, line style, marker, index into seaborn's colour-blind palette
    "fgsm": ("FGSM, breaks at 0", "-", "o", 3),
    "n_fgsm": ("N-FGSM", "--", "s", 0),
    "gradalign": ("GradAlign", ":", "^", 2),
    "pgd": ("PGD", "-.", "D", 1),
    "standard": ("standard", (0, (1, 3)), "x", 7),
}

PANELS = {
    ("accuracy", "pgd-10"): "PGD-10 accuracy",
    ("mixtures", "dense_lineage"): "dense share of units",
    ("mixtures", "energy_own_u1"): "energy along own u₁",
    ("mixtures", "energy_clean_u1"): "energy along clean u₁",
    ("features", "input_gradient_high_share"): "gradient, high frequencies",
    ("features", "input_gradient_direction_share"): "gradient in carriers' span",
}

TICKS = (-128, -16, -4, 0, 4, 16, 64)


def courses(measures: pd.DataFrame, worlds: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Statistics against iterations since the break: a row per world, a line per arm, bands of 95 % over seeds.

    The axis is linear within 4 iterations of the break and logarithmic beyond.
    """
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.55 * len(PANELS), 2.5 * len(worlds) + 0.7), layout="constrained")
        grid = figure.subplots(len(worlds), len(PANELS), squeeze=False, sharex=True)
        for world, row in zip(worlds, grid, strict=True):
            look = Lookup(measures, world)
            for ((part, statistic), title), axis in zip(PANELS.items(), row, strict=True):
                for arm, (label, style, marker, colour) in ARMS.items():
                    offsets, found = _course(look, arm, part, statistic)
                    means = [one.mean for one in found]
                    axis.plot(offsets, means, ls=style, marker=marker, ms=3, lw=1.3, color=colours[colour], label=label)
                    low, high = [one.low for one in found], [one.high for one in found]
                    axis.fill_between(offsets, low, high, color=colours[colour], alpha=0.13, lw=0)
                axis.axvline(0, color="black", lw=0.8)
                axis.set_xscale("symlog", linthresh=4)
                axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
                axis.minorticks_off()
                axis.tick_params(labelsize=8)
                if world == worlds[0]:
                    axis.set_title(title)
            row[0].set_ylabel(f"{world}\n{len(look.seeds)} seeds")
        figure.supxlabel("iterations since the breakpoint", fontsize=10)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(ARMS), frameon=False)
    return figure, list(grid.flat)


def by_layer(layers: pd.DataFrame, worlds: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """FGSM's excess change across the break by layer, and what each layer's change does to PGD accuracy alone.

    Args:
        layers: `layer_table` of each world, with a column world.
        worlds: the rows.
    """
    measures = list(layers["measure"].unique())
    paired = [m for m in measures if m.startswith("share of the collapse")]
    titles = [[m] for m in measures if m not in paired] + [paired]
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.0 * len(titles) + 0.6, 2.3 * len(worlds) + 0.6), layout="constrained")
        grid = figure.subplots(len(worlds), len(titles), squeeze=False, sharey="row")
        for world, row in zip(worlds, grid, strict=True):
            own = layers[layers["world"] == world]
            for group, axis in zip(titles, row, strict=True):
                for index, measure in enumerate(group):
                    rows = own[own["measure"] == measure]
                    places = np.arange(len(rows)) + 0.18 * index
                    reach = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
                    label = "random" if "random" in measure else "the break's"
                    axis.errorbar(
                        rows["mean"], places, xerr=reach, fmt="os"[index], ms=4, capsize=2, color=colours[3 - 3 * index]
                    )
                    axis.plot([], [], "os"[index], color=colours[3 - 3 * index], label=label)
                axis.axvline(0, color="black", lw=0.8)
                axis.set_yticks(range(len(rows)), rows["layer"])
                if world == worlds[0]:
                    title = (
                        "share of the collapse\nfrom one layer's change"
                        if len(group) > 1
                        else textwrap.fill(group[0], 26)
                    )
                    axis.set_title(title, fontsize=9)
                if len(group) > 1:
                    axis.legend(frameon=False, fontsize=8)
            row[0].set_ylabel(world)
            row[0].invert_yaxis()
        figure.supxlabel("mean and 95 % interval over seeds", fontsize=10)
    return figure, list(grid.flat)


def grafts(measures: pd.DataFrame, worlds: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """FGSM and PGD accuracy of the network before the break with part of the break's change of weights put in."""
    colours = sns.color_palette("colorblind")
    labels = ["0", *map(str, RANKS), "all"]
    edits = ["none", *(f"graft_{rank}" for rank in RANKS), "graft_full"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.0 * len(worlds) + 0.5, 3.4), layout="constrained")
        grid = figure.subplots(1, len(worlds), squeeze=False, sharey=True)
        for world, axis in zip(worlds, grid[0], strict=True):
            look = Lookup(measures, world)
            for protocol, colour, name in (("fgsm", 1, "FGSM"), ("pgd-10", 0, "PGD")):
                for suffix, style, marker, of in (("", "-", "o", "the break's"), ("_random", ":", "s", "random")):
                    found = [
                        estimate(look.at("fgsm", BEFORE, "edit", f"{protocol}_{e}{suffix if e != 'none' else ''}", ""))
                        for e in edits
                    ]
                    reach = [[f.mean - f.low for f in found], [f.high - f.mean for f in found]]
                    axis.errorbar(
                        range(len(edits)),
                        [f.mean for f in found],
                        yerr=reach,
                        ls=style,
                        marker=marker,
                        ms=4,
                        lw=1.3,
                        capsize=2,
                        color=colours[colour],
                        label=f"{name}, {of} change",
                    )
                after = look.at("fgsm", AFTER, "accuracy", protocol).mean()
                axis.axhline(after, color=colours[colour], lw=0.8, alpha=0.6)
            axis.set(title=f"{world}, {len(look.seeds)} seeds", xticks=range(len(edits)), xticklabels=labels)
            axis.yaxis.set_major_formatter("{x:.0%}")
        grid[0, 0].set_ylabel("accuracy")
        figure.supxlabel("rank of the change put into each layer (thin lines: the broken network)", fontsize=10)
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside upper center", ncols=4 if len(worlds) > 1 else 2, frameon=False, fontsize=8
        )
    return figure, list(grid[0])


def _course(look: Lookup, arm: str, part: str, statistic: str) -> tuple[list[int], list[Estimate]]:
    offsets = sorted(int(offset) for offset in look.rows(arm, part, statistic)["offset"].dropna().unique())
    return offsets, [estimate(look.at(arm, offset, part, statistic).to_numpy()) for offset in offsets]
