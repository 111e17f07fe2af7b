"""Pictures of the study, drawn from its tables alone."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analyses.core.statistics import estimate
from analyses.core.survival import kaplan_meier
from analyses.holistic_robust.settings import PLAIN, Onset, Overfitting, Poisoned, hr_name
from cotoolkit.plotting.style import STYLE

LOOKS = (("-", "o", 0), ("--", "s", 3), (":", "^", 2), ("-.", "D", 4), ((0, (5, 1)), "v", 1), ((0, (1, 3)), "x", 7))
"""Line style, marker, and index into seaborn's colour-blind palette."""

PANELS = {
    "test_accuracy": "robust test accuracy",
    "train_accuracy": "robust training accuracy",
    "G1": "G1: robust gap, nats",
    "G5": "G5: implied radius, nats",
}


def overfitting_courses(gaps: pd.DataFrame, plan: Overfitting) -> tuple[Figure, list[Axes]]:
    """Accuracies, gap and implied radius over training: a row per share of the data, a line per radius."""
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.9 * len(PANELS), 2.3 * len(plan.shares) + 0.7), layout="constrained")
        grid = figure.subplots(len(plan.shares), len(PANELS), squeeze=False, sharex=True, sharey="col")
        for share, row in zip(plan.shares, grid, strict=True):
            for (column, title), axis in zip(PANELS.items(), row, strict=True):
                for (style, marker, colour), r in zip(LOOKS, plan.radii, strict=False):
                    own = gaps[gaps["arm"] == plan.name(share, r)]
                    _band(
                        axis,
                        own,
                        "iteration",
                        column,
                        colours[colour],
                        style,
                        marker,
                        "AT" if r == 0 else f"HR r={r:g}",
                    )
                if share == plan.shares[0]:
                    axis.set_title(title)
                if column.endswith("accuracy"):
                    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
                    axis.set_ylim(0, 1.03)  # intervals of three seeds may reach beyond
            row[0].set_ylabel(f"{share:.0%} of the data")
        figure.supxlabel("iteration (the learning rate falls tenfold half-way)", fontsize=10)
        _legend(figure, grid[0, 0])
    return figure, list(grid.flat)


def gaps_by_share(ends: pd.DataFrame, plan: Overfitting) -> tuple[Figure, list[Axes]]:
    """The finished networks against the number of training images: gaps, n times the implied radius, accuracies."""
    colours = sns.color_palette("colorblind")
    panels = {
        "G1": "G1: robust gap, nats\n(standard: natural gap G2)",
        "n_G5": "n · implied radius\n(standard: of clean losses)",
        "G4": "G4: best less last\nrobust accuracy",
        "test_accuracy": "final robust\ntest accuracy",
    }
    sizes = [plan.train_size * share for share in plan.shares]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.6, 3.4), layout="constrained")
        axes = list(figure.subplots(1, len(panels)))
        for (column, title), axis in zip(panels.items(), axes, strict=True):
            for place, ((style, marker, colour), r) in enumerate(zip(LOOKS, (*plan.radii, None), strict=False)):
                if r is None and column in ("G4", "test_accuracy"):
                    continue
                used = "G2" if r is None and column == "G1" else column
                found = [estimate(ends[ends["arm"] == plan.name(share, r)][used]) for share in plan.shares]
                means = [one.mean for one in found]
                reach = [[one.mean - one.low for one in found], [one.high - one.mean for one in found]]
                label = "standard" if r is None else "AT" if r == 0 else f"HR r={r:g}"
                moved = [size * 1.035 ** (place - 1.5) for size in sizes]
                axis.errorbar(
                    moved,
                    means,
                    yerr=reach,
                    ls=style,
                    marker=marker,
                    ms=4,
                    capsize=2,
                    color=colours[colour],
                    label=label,
                )
            axis.set_xscale("log")
            axis.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
            axis.minorticks_off()
            axis.set_title(title)
            if "accuracy" in title:
                axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.supxlabel("training images", fontsize=10)
        _legend(figure, axes[0])
    return figure, axes


def bounds(ends: pd.DataFrame, plan: Overfitting) -> tuple[Figure, list[Axes]]:
    """What bounds the loss on test data and what does not, by arm: differences from the mean that is to be bounded."""
    panels = {
        "nominal, W = 10": ends["G6"],
        "nominal, W = largest\ntraining loss": ends["G6_seen"],
        "held-out certificate,\nclipped cross-entropy": ends["loss_certificate"] - ends["loss_held"],
        "held-out certificate,\n0/1 loss": ends["error_certificate"] - ends["error_held"],
    }
    arms = [plan.name(share, r) for share in plan.shares for r in plan.radii]
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.6, 0.3 * len(arms) + 1.4), layout="constrained")
        axes = list(figure.subplots(1, len(panels), sharey=True))
        for (title, values), axis in zip(panels.items(), axes, strict=True):
            for place, arm in enumerate(arms):
                own = values[ends["arm"] == arm]
                colour = colours[2] if own.min() >= 0 else colours[3] if own.max() < 0 else colours[7]
                axis.plot(own, [place] * len(own), "o" if own.min() >= 0 else "X", ms=5, color=colour)
            axis.axvline(0, color="black", lw=0.9)
            axis.set_title(title)
        axes[0].set_yticks(range(len(arms)), arms)
        axes[0].set_ylim(len(arms) - 0.5, -0.5)
        figure.supxlabel(
            "bound less the mean on data not used for it; one mark per seed (right of 0: it holds)", fontsize=10
        )
    return figure, axes


def poison_bars(table: pd.DataFrame, plan: Poisoned) -> tuple[Figure, list[Axes]]:
    """Accuracies and memorised wrong labels by arm, and HR's weight on wrong labels."""
    panels = {
        "accuracy": "robust test accuracy",
        "clean_accuracy": "clean test accuracy",
        "memorised": "wrong labels memorised",
        "poison_weight": "HR weight on wrong labels",
    }
    arms = list(plan.arms())
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.6, 0.36 * len(arms) + 1.2), layout="constrained")
        axes = list(figure.subplots(1, len(panels), sharey=True))
        for (column, title), axis in zip(panels.items(), axes, strict=True):
            for place, arm in enumerate(arms):
                own = table[table["arm"] == arm][column]
                _interval(axis, own, place, colours[3 if arm.startswith("trim") else 0], "s" if "trim" in arm else "o")
            if column == "poison_weight":
                share = table["poison_share"].mean()
                axis.axvline(share, color="black", lw=0.9, ls="--")
                axis.text(share, len(arms) - 0.6, "their share ", ha="right", fontsize=8)
            axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axis.set_xlim(-0.04, 1.04)
            axis.set_title(title)
        axes[0].set_yticks(range(len(arms)), arms)
        axes[0].set_ylim(len(arms) - 0.5, -0.5)
        figure.supxlabel("mean and 95 % interval over seeds; points: seeds", fontsize=10)
    return figure, axes


def survival(onsets: pd.DataFrame, plan: Onset) -> tuple[Figure, list[Axes]]:
    """Share of runs that have not broken, over iterations: HR by radius and share, and the controls at one radius."""
    colours = sns.color_palette("colorblind")
    matched = hr_name(*plan.matched)
    half = (len(plan.controls) + 1) // 2
    looks = {PLAIN: LOOKS[0], matched: LOOKS[3]}  # in all panels
    panels = {
        "worst-case weights": [hr_name(*law) for law in plan.laws],
        f"{matched} and its controls": [PLAIN, matched, *plan.controls[:half]],
        "more controls": [PLAIN, matched, *plan.controls[half:]],
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.6, 4.3), layout="constrained")
        axes = list(figure.subplots(1, len(panels), sharey=True, sharex=True))
        end = onsets["iterations"].max()
        for (title, arms), axis in zip(panels.items(), axes, strict=True):
            free = iter([look for look in LOOKS if look not in looks.values()])
            for place, arm in enumerate(arms):
                style, marker, colour = looks.get(arm) or next(free)
                own = onsets[onsets["arm"] == arm]
                found = kaplan_meier(own["time"], own["broke"])
                times, share = np.r_[found.times, end], np.r_[found.share, found.share[-1]]
                drawn = share + 0.006 * (place - 2)  # so that lines that coincide are seen
                label = "FGSM" if arm == PLAIN else arm.replace("_", " ")
                axis.step(times, drawn, where="post", ls=style, marker=marker, ms=4, color=colours[colour], label=label)
            axis.set_title(title)
            axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
            axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        onset = onsets["time"].min()
        axes[0].set_xlim(max(0, onset - 0.15 * end), end)
        axes[0].set_ylabel("runs that have not broken")
        axes[1].set_xlabel("iteration", labelpad=1)
    return figure, axes


def weights_around(weights: pd.DataFrame, arms: list[str]) -> tuple[Figure, list[Axes]]:
    """Weight and share of the samples whose loss the attack lowered, and the effective sample size."""
    colours = sns.color_palette("colorblind")
    known = [arm for arm in arms if arm in set(weights["arm"])]
    panels = {
        "abnormal_share": "abnormal samples, share",
        "abnormal_weight": "their weight",
        "ess": "effective sample size / n",
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 3.5), layout="constrained")
        axes = list(figure.subplots(1, len(panels)))
        binned = weights.assign(offset=(weights["offset"] // 10 * 10 + 5))
        for (signal, title), axis in zip(panels.items(), axes, strict=True):
            for (style, marker, colour), arm in zip(LOOKS, known, strict=False):
                own = binned[(binned["arm"] == arm) & (binned["signal"] == signal)]
                per_seed = own.groupby(["seed", "offset"])["value"].mean().reset_index()
                label = "FGSM" if arm == PLAIN else arm
                _band(axis, per_seed, "offset", "value", colours[colour], style, marker, label)
            axis.axvline(0, color="black", lw=0.8)
            axis.set_title(title)
            axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axis.set_ylim(-0.04, 1.04)
        axes[1].set_xlabel("iterations since the breakpoint (means over 10)")
        _legend(figure, axes[2])
    return figure, axes


def _band(
    axis: Axes, table: pd.DataFrame, x: str, y: str, colour: object, style: object, marker: str, label: str
) -> None:
    """Mean over seeds with its 95 % interval, against a column."""
    places = sorted(table[x].unique().tolist())
    groups = [estimate(table.loc[table[x] == place, y]) for place in places]
    axis.plot(places, [one.mean for one in groups], ls=style, marker=marker, ms=3, lw=1.4, color=colour, label=label)
    # Of two values an interval is wider than any picture.
    low = [one.low if one.n > 2 else np.nan for one in groups]
    high = [one.high if one.n > 2 else np.nan for one in groups]
    axis.fill_between(places, low, high, color=colour, alpha=0.13, lw=0)


def _interval(axis: Axes, values: pd.Series[float], place: int, colour: object, marker: str) -> None:
    found = estimate(values)
    axis.plot(values, [place + 0.22] * len(values), ".", ms=4, color=colour, alpha=0.5)
    if found.n > 2:  # of two values it is wider than any picture
        axis.plot([found.low, found.high], [place, place], color=colour, lw=1.6)
    axis.plot(found.mean, place, marker, ms=6, color=colour)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
