"""Figures of the purification experiment, drawn from its tables alone and returned as `(figure, axes)`."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analyses.core.statistics import estimate
from analyses.purification.synthetic_world.baselines import NAMES
from analyses.purification.tables import SHOWN_QUANTILES, Tables
from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.style import STYLE

COLOURS = sns.color_palette("colorblind")

STAGES = {  # stage: label, colour, line, marker
    "clean": ("after clean training", COLOURS[1], "--", "o"),
    "fgm": ("after FGM training", COLOURS[0], "-", "s"),
}

ATTACKS = {  # attack: title of its panel
    "pgd": "PGD",
    "universal": "one direction, −y D_w",
    "random": "random direction",
}


def coefficient_pictures(tables: Tables) -> tuple[Figure, list[Axes]]:
    """Sorted |<w_i, M_j>| of a few units before and after purification, and the mixture of all pure units.

    Units are chosen by a fixed rule, at quantiles of |alpha| after clean training, in the first seed of the largest
    setting with all stages; coefficients are in units of the top one.
    """
    coefficients = _main(tables, tables.coefficients)
    neurons = _main(tables, tables.neurons)
    chosen = [(q, coefficients[coefficients["quantile"] == q]) for q in SHOWN_QUANTILES]
    with mpl.rc_context(STYLE):
        figure, grid = _canvas(1, len(chosen) + 1, height=2.9)
        axes = list(grid.flat)
        for axis, (quantile, rows) in zip(axes, chosen, strict=False):
            for stage, (label, colour, line, _) in STAGES.items():
                sizes = np.sort(rows.loc[rows["stage"] == stage, "coefficient"].abs().to_numpy())[::-1]
                ranks = np.arange(1, len(sizes) + 1)
                axis.loglog(ranks, sizes / sizes[0], line, color=colour, lw=1.6, label=label)
            axis.set(title=f"unit at quantile {quantile:g} of |α|", xlabel="rank of the atom", ylim=(1e-3, 1.4))
            if axis is not axes[0]:
                axis.set_yticklabels([])
        axes[0].set_ylabel("|coefficient| / largest")
        _mixture_histogram(axes[-1], neurons)
        _legend(figure, axes[0])
    return figure, axes


def _mixture_histogram(axis: Axes, neurons: pd.DataFrame) -> None:
    pure = neurons[neurons["pure"] & neurons["stage"].isin(list(STAGES))]
    scaled = pure["epsilon"] * pure["d"] / pure["k"]
    low, high = np.quantile(scaled, [0.002, 0.998])
    bins = np.linspace(low, high, 40).tolist()
    for stage, (_, colour, line, _) in STAGES.items():
        values = scaled[pure["stage"] == stage]
        axis.hist(values, bins=bins, color=colour, alpha=0.25)
        axis.hist(values, bins=bins, color=colour, histtype="step", ls=line, lw=1.5)
    axis.axvline(0, color="black", lw=0.8)
    axis.set(title="all pure units", xlabel="mixture ε / (k/d)", ylabel="units")


def accuracy_curves(tables: Tables) -> tuple[Figure, list[Axes]]:
    """Accuracy against the l2 radius before and after purification, a panel per attack; bands are 95 % over seeds."""
    curves = _main(tables, tables.curves)
    trained_at = curves.loc[curves["multiple"] == 1, "radius"].iloc[0]
    with mpl.rc_context(STYLE):
        figure, grid = _canvas(1, len(ATTACKS), height=3.0)
        axes = list(grid.flat)
        for axis, (attack, title) in zip(axes, ATTACKS.items(), strict=True):
            for stage, (label, colour, line, marker) in STAGES.items():
                rows = curves[(curves["attack"] == attack) & (curves["stage"] == stage)]
                _band(axis, rows, "radius", "accuracy", label=label, color=colour, ls=line, marker=marker, ms=4)
            axis.axvline(trained_at, color="black", lw=0.8, ls=":")
            axis.set(title=title, xlabel="l2 radius τ", ylim=(0, 1.03))
            axis.yaxis.set_major_formatter("{x:.0%}")
            if axis is not axes[0]:
                axis.set_yticklabels([])
        axes[0].set_ylabel("accuracy")
        axes[0].text(trained_at, 0.03, " training radius", fontsize=8)
        _legend(figure, axes[0])
    return figure, axes


def time_course(tables: Tables) -> tuple[Figure, list[Axes]]:
    """Feature, mixture, their ratio and accuracy through clean, then FGM training; bands are 95 % over seeds."""
    course = _main(tables, tables.course)
    start = course.loc[course["phase"] == "clean", "step"].max()
    course = course.assign(at=course["step"] + np.where(course["phase"] == "fgm", start, 0))
    course = course[course["at"] > 0]  # untrained units have nothing yet to be taken apart
    panels = {
        "feature and mixture": (("alpha", "feature α", 0, "-"), ("mixture", "mixture αε", 3, "--")),
        "ratio": (("epsilon", "ε = mixture / feature", 4, "-"),),
        "accuracy": (("accuracy", "clean", 7, ":"), ("pgd", "under PGD", 0, "-")),
    }
    with mpl.rc_context(STYLE):
        figure, grid = _canvas(1, 3, height=3.1)
        axes = list(grid.flat)
        for axis, (title, lines) in zip(axes, panels.items(), strict=True):
            for statistic, label, colour, line in lines:
                rows = course[course["statistic"] == statistic]
                _band(axis, rows, "at", "value", label=label, color=COLOURS[colour], ls=line)
            axis.axvspan(start, course["at"].max(), color="0.5", alpha=0.12, lw=0)
            axis.set(title=title, xlabel="step")
            axis.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)
        axes[0].set(yscale="log")
        axes[1].set_ylim(bottom=0)
        axes[2].yaxis.set_major_formatter("{x:.0%}")
        figure.suptitle("clean training, then FGM training (shaded)", fontsize=10)
    return figure, axes


def purification_ratios(tables: Tables) -> tuple[Figure, list[Axes]]:
    """Each unit's removed part relative to its kept part, q_i, and its residual before and after FGM training.

    Clean training for as long shows how much of q_i is drift.
    """
    neurons = _main(tables, tables.neurons)
    alive = neurons[neurons["alive_clean"]]
    with mpl.rc_context(STYLE):
        figure, grid = _canvas(1, 2, height=3.2, width=4.2)
        left, right = grid.flat
        shown = {"fgm": STAGES["fgm"][:3], "clean_on": ("after clean training for as long instead", COLOURS[1], "--")}
        for stage, (label, colour, line) in shown.items():
            ratios = alive.loc[alive["stage"] == stage, "ratio"]
            left.ecdf(ratios, color=colour, ls=line, lw=1.6, label=label)
        left.axvline(1, color="black", lw=0.8, ls=":")
        left.set(xscale="log", xlabel="q = ‖removed‖ / ‖kept‖", ylabel="share of living units below")
        left.text(1, 0.03, " q = 1 (45°)", fontsize=8)
        pure = neurons[neurons["pure_clean"]].assign(residual=lambda t: t["residual_norm"] / t["alpha"].abs())
        table = pure.pivot_table(index="unit", columns="stage", values="residual")
        right.scatter(table["clean"], table["fgm"], s=7, color=COLOURS[0], alpha=0.6, lw=0)
        low, high = float(table[["clean", "fgm"]].min().min()) * 0.8, float(table[["clean", "fgm"]].max().max()) * 1.2
        right.plot([low, high], [low, high], color="black", lw=0.8, ls=":")
        right.text(1, 1.2, "unchanged ", fontsize=8, ha="right")
        right.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        for axis in (right.xaxis, right.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        _legend(figure, left)
        right.set(xlabel="residual / feature, after clean training", ylabel="the same, after FGM training")
    return figure, [left, right]


def model_comparison(tables: Tables) -> tuple[Figure, list[Axes]]:
    """Clean and PGD accuracy of the network and of low-complexity models, with and without FGM; 95 % over seeds."""
    scalars = _main(tables, tables.scalars)
    rows = {"network": ("clean_on", "fgm"), **{name: (f"{name}+on", f"{name}+at") for name in NAMES}}
    with mpl.rc_context(STYLE):
        figure, grid = _canvas(1, 2, height=3.0, width=4.0)
        axes = list(grid.flat)
        for axis, (statistic, title) in zip(
            axes, {"accuracy_clean": "clean accuracy", "accuracy_pgd": "PGD accuracy"}.items(), strict=True
        ):
            for way, (label, colour, _, marker) in enumerate(STAGES.values()):
                for place, stages in enumerate(rows.values()):
                    chosen = (scalars["stage"] == stages[way]) & (scalars["statistic"] == statistic)
                    found = estimate(scalars.loc[chosen, "value"].to_numpy())
                    axis.errorbar(
                        place + 0.2 * (way - 0.5),
                        found.mean,
                        [[found.mean - found.low], [found.high - found.mean]],
                        marker=marker,
                        color=colour,
                        lw=1.4,
                        label=label if place == 0 else None,
                    )
            axis.set_xticks(range(len(rows)), [name.replace("_", "\n") for name in rows], fontsize=8)
            axis.set(title=title)
            axis.yaxis.set_major_formatter("{x:.0%}")
        _legend(figure, axes[0])
    return figure, axes


def _main(tables: Tables, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest setting with all stages."""
    full = tables.scalars[tables.scalars["stage"] == "second"]
    if full.empty:
        raise ConfigError("no setting has all stages; run a whole scale")
    largest = full.loc[full["d"] == full["d"].max(), "setting"].iloc[0]
    rows: pd.DataFrame = table[table["setting"] == largest]
    return rows


def _band(axis: Axes, rows: pd.DataFrame, x: str, y: str, **line: Any) -> None:
    """Mean over seeds and its interval."""
    places = np.unique(rows[x].to_numpy())
    found = [estimate(rows.loc[rows[x] == place, y].to_numpy()) for place in places]
    (drawn,) = axis.plot(places, [e.mean for e in found], lw=1.6, **line)
    low, high = [e.low for e in found], [e.high for e in found]
    axis.fill_between(places, low, high, color=drawn.get_color(), alpha=0.2, lw=0)


def _canvas(rows: int, columns: int, *, height: float, width: float = 3.0) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
