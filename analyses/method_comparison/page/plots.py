"""Pictures of a comparison: robustness against cost, shares of seeds that overfit catastrophically, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from cotoolkit.methods.base import Family
from cotoolkit.plotting.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, percent_text

FAMILIES: dict[Family, tuple[str, str]] = {
    "clean": (GREY, "o"),
    "single step": (VERMILION, "v"),
    "multi-step": (BLUE, "s"),
    "regulariser": (PURPLE, "P"),
    "perturbation bank": (GREEN, "^"),
    "universal perturbation": (GREEN, "<"),
    "sample weighting": (ORANGE, "D"),
    "weight perturbation": (SKY, "X"),
    "wrapper": (SKY, "p"),
    "own": (GREY, "*"),
}
"""Colour and marker of each family of methods."""

ROW = 0.17
"""Inches of a method's row."""

WIDTH = 6.8
"""Inches of a page."""

FAN = 0.3
"""Natural logarithm of the passes over which methods of equal passes are fanned out, at most."""

LABELS = 6.5
"""Points of the methods' names in pictures."""


def robustness_against_cost(summary: pd.DataFrame) -> Figure:
    """Filled: the last network; hollow: the best one; black inside: an average. Names stand at the right.

    Args:
        summary: of `outcomes.method_summary`.

    Returns:
        A panel per group.
    """
    groups = list(summary["group"].unique())
    tallest = max(len(rows) for _, rows in summary.groupby("group"))
    figure = Figure(figsize=(WIDTH, (max(ROW * 0.75 * tallest, 2.2) + 0.5) * len(groups) + 0.6), layout="constrained")
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        rows = summary[summary["group"] == group]
        _cost_panel(axis, rows.dropna(subset=["last_robust", "units"]))
        axis.set_title(group, loc="left")
    _cost_axis(axes[-1], summary["units"].dropna())
    figure.legend(handles=_legend(axes[0], summary), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _cost_panel(axis: Axes, rows: pd.DataFrame) -> None:
    rows = rows.assign(units=_side_by_side(rows["units"], rows["last_robust"]))
    for row in rows.to_dict("records"):
        colour, marker = FAMILIES[row["family"]]
        if np.isfinite(row["best_robust"]):
            axis.plot([row["units"]] * 2, [row["last_robust"], row["best_robust"]], color=colour, lw=0.8, zorder=2)
            axis.plot(row["units"], row["best_robust"], marker, color=colour, mfc="white", ms=5, zorder=3)
        if np.isfinite(row["average_robust"]):
            axis.plot(row["units"], row["average_robust"], marker, color=colour, mfc="black", ms=5, zorder=3)
        axis.plot(row["units"], row["last_robust"], marker, color=colour, ms=5, zorder=4)
    top = max(0.1, *rows[["last_robust", "best_robust", "average_robust"]].max().dropna()) * 1.05 if len(rows) else 1.0
    axis.set_ylim(-0.03 * top, top)
    axis.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(percent_text)
    axis.set_ylabel("robust accuracy (%)")
    ordered = rows.sort_values(["last_robust", "method"])
    inches = axis.get_figure().get_size_inches()[1]  # type: ignore[union-attr] # it stands in one
    gap = 1.2 * top * (LABELS / 72) / (inches / len(axis.get_figure().axes) - 0.8)  # type: ignore[union-attr]
    heights = spread(list(ordered["last_robust"]), gap, -0.03 * top, top)
    for height, row in zip(heights, ordered.to_dict("records"), strict=True):
        axis.annotate(
            row["method"], (row["units"], row["last_robust"]), (1.02, height), fontsize=LABELS, va="center",
            textcoords=axis.get_yaxis_transform(), annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.3, "shrinkA": 0, "shrinkB": 2, "relpos": (0, 0.5)},
        )  # fmt: skip


def _side_by_side(units: pd.Series[float], robust: pd.Series[float]) -> pd.Series[float]:
    """Places on the axis of passes: methods that take as many stand side by side, the most robust at the right."""
    alike = robust.groupby(units.round(1))
    position = alike.rank(method="first") - (alike.transform("size") + 1) / 2
    offsets = position * np.minimum(0.03, FAN / alike.transform("size"))
    return units * offsets.map(np.exp)


def _cost_axis(axis: Axes, units: pd.Series[float]) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator([1, 2, 3, 4, 6, 8, 11, 16, 22]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlim(0.85 * units.min(), 1.18 * units.max())
    axis.set_xlabel("forward-backward passes of an update (a lone forward is one half; equals stand side by side)")


def _legend(axis: Axes, summary: pd.DataFrame) -> list[object]:
    known = [family for family in FAMILIES if family in set(summary["family"])]
    marks: list[object] = [
        axis.plot([], [], marker, color=colour, ms=5, label=family)[0]
        for family in known
        for colour, marker in [FAMILIES[family]]
    ]
    marks.append(axis.plot([], [], "o", color=GREY, ms=5, label="last network")[0])
    marks.append(axis.plot([], [], "o", color=GREY, mfc="white", ms=5, label="best network")[0])
    if summary["average_robust"].notna().any():
        marks.append(axis.plot([], [], "o", color=GREY, mfc="black", ms=5, label="average of weights")[0])
    return marks


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places moved apart, as little as their order allows (least squares), so that text fits between them.

    >>> spread([0.0, 0.0, 1.0], 0.25, 0.0, 1.0)
    [0.0, 0.25, 1.0]

    Args:
        places: ascending.
        gap: least difference of neighbours.
        low: least place.
        high: greatest place; where there are too many they go on below `low`.

    Returns:
        As many places, ascending.
    """
    steps = gap * np.arange(len(places))
    moved = isotonic_regression(np.asarray(places) - steps).x if len(places) else steps
    return [float(place) for place in np.clip(moved, low, high - steps[-1:].sum()) + steps]


def overfitting_shares(summary: pd.DataFrame) -> Figure:
    """Share of seeds with a breakpoint, with its exact 95 % interval, and the counts; colours are those of families.

    Args:
        summary: of `outcomes.method_summary`.

    Returns:
        A column per group, a row per method.
    """
    methods = methods_in_order(summary)
    figure, axes, groups = _grid(summary, methods)
    for axis, group in zip(axes, groups, strict=True):
        for row in summary[summary["group"] == group].to_dict("records"):
            height = methods.index(row["method"])
            colour, _ = FAMILIES[row["family"]]
            axis.plot([row["share_low"], row["share_high"]], [height] * 2, color=colour, lw=1.2)
            looks: dict[str, Any] = {"marker": "X", "mew": 0} if row["broke"] else {"marker": "o", "mfc": "white"}
            axis.plot(row["share"], height, color=colour, ms=5, **looks)
            axis.text(
                1.06, height, f"{row['broke']}/{row['seeds']}", fontsize=LABELS, va="center",
                transform=axis.get_yaxis_transform(),
            )  # fmt: skip
        axis.set_xlim(-0.04, 1.04)
        axis.xaxis.set_major_formatter(percent_text)
    figure.supxlabel("seeds that overfit catastrophically (%), with exact 95 % interval", fontsize="medium")
    return figure


def breakpoint_times(outcomes: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """A cross per seed where robustness is lost; a hollow circle at the end where it never is. Colours: families.

    Args:
        outcomes: of `outcomes.comparison_outcomes`.
        summary: of the same outcomes.

    Returns:
        A column per group, a row per method.
    """
    methods = methods_in_order(summary)
    figure, axes, groups = _grid(summary, methods)
    for axis, group in zip(axes, groups, strict=True):
        runs = outcomes[(outcomes["group"] == group) & outcomes["method"].isin(methods)].dropna(subset=["onset"])
        heights = runs["method"].map(methods.index).astype(float)
        for row in runs.assign(height=heights).to_dict("records"):
            colour, _ = FAMILIES[row["family"]]
            looks: dict[str, Any] = {"marker": "X", "mew": 0, "alpha": 0.7}
            if pd.isna(row["breakpoint"]):
                looks = {"marker": "o", "mfc": "none", "clip_on": False}
            axis.plot(row["onset"], row["height"], color=colour, ms=5, **looks)
        trained = set(outcomes.loc[outcomes["group"] == group, "method"])
        for height, method in enumerate(methods):
            if method not in trained:
                axis.text(0.02, height, "not trained", fontsize=LABELS, color="0.5", va="center")
        axis.set_xlim(0, 1.03)
        axis.xaxis.set_major_formatter(percent_text)
    figure.supxlabel("breakpoints (% of training, crosses); circles: seeds without one", fontsize="medium")
    return figure


def methods_in_order(summary: pd.DataFrame) -> list[str]:
    """Methods by the passes of an update, then by name; those without a cost last.

    Args:
        summary: of `outcomes.method_summary`.

    Returns:
        Names.
    """
    first = summary.drop_duplicates("method").sort_values(["units", "method"], na_position="last")
    return [str(name) for name in first["method"]]


def _grid(summary: pd.DataFrame, methods: Sequence[str]) -> tuple[Figure, Sequence[Axes], list[str]]:
    groups = list(summary["group"].unique())
    width = WIDTH if len(groups) > 1 else 0.75 * WIDTH
    figure = Figure(figsize=(width, ROW * len(methods) + 0.9), layout="constrained")
    axes = list(figure.subplots(1, len(groups), sharey=True, squeeze=False)[0])
    axes[0].set_yticks(range(len(methods)), methods, fontsize=LABELS)
    axes[0].set_ylim(len(methods) - 0.5, -0.5)
    for axis, group in zip(axes, groups, strict=True):
        axis.set_title(group, loc="left")
        axis.grid(axis="y", visible=True)
    return figure, axes, groups
