"""Pictures of a comparison: robustness against cost, shares of seeds that overfit catastrophically, and when."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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

LABELS = 6.5
"""Points of the methods' names in pictures."""


def robustness_against_cost(outcomes: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Filled: mean of the last networks; hollow: of the best; black inside: of an average of weights; dots: seeds.

    Args:
        outcomes: of `outcomes.comparison_outcomes`.
        summary: of the same outcomes.

    Returns:
        A column per group, a row per method; rows stand by the passes of an update, which are written beside the name.
    """
    methods = methods_in_order(summary)
    units = summary.drop_duplicates("method").set_index("method")["units"]
    figure, axes, groups = _grid(summary, methods)
    axes[0].set_yticks(range(len(methods)), [_with_passes(name, units[name]) for name in methods], fontsize=LABELS)
    axes[0].set_ylabel("method, forward-backward passes of an update")
    for axis, group in zip(axes, groups, strict=True):
        seeds = outcomes[outcomes["group"] == group]
        for row in summary[summary["group"] == group].dropna(subset="last_robust").to_dict("records"):
            _cost_row(axis, methods.index(row["method"]), row, seeds.loc[seeds["method"] == row["method"]])
        for height, (above, below) in enumerate(itertools.pairwise(methods)):
            if units[above] != units[below]:
                axis.axhline(height + 0.5, color=GREY, lw=0.4)
        _say_not_trained(axis, methods, seeds)
        axis.set_xlim(left=-0.01)
        axis.xaxis.set_major_formatter(percent_text)
    figure.supxlabel("accuracy under the worst of PGD-50, PGD-50 on the margin and Square (%)", fontsize="medium")
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.6)  # for the legend
    figure.legend(handles=_legend(axes[0], summary), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _with_passes(method: str, units: float) -> str:
    return f"{method}, {units:.3g}" if np.isfinite(units) else method


def _cost_row(axis: Axes, height: int, row: dict[Any, Any], seeds: pd.DataFrame) -> None:
    colour, marker = FAMILIES[row["family"]]
    axis.plot(seeds["last_robust"], [height + 0.3] * len(seeds), ".", color=colour, ms=4, mew=0, alpha=0.6)
    if np.isfinite(row["best_robust"]):
        axis.plot([row["last_robust"], row["best_robust"]], [height] * 2, color=colour, lw=0.8, zorder=2)
        axis.plot(row["best_robust"], height, marker, color=colour, mfc="white", ms=5, zorder=3)
    if np.isfinite(row["average_robust"]):
        axis.plot(row["average_robust"], height, marker, color=colour, mfc="black", ms=5, zorder=3)
    axis.plot(row["last_robust"], height, marker, color=colour, ms=5, zorder=4)


def _legend(axis: Axes, summary: pd.DataFrame) -> list[object]:
    known = [family for family in FAMILIES if family in set(summary["family"])]
    marks: list[object] = [
        axis.plot([], [], marker, color=colour, ms=5, label=family)[0]
        for family in known
        for colour, marker in [FAMILIES[family]]
    ]
    marks.append(axis.plot([], [], "o", color=GREY, ms=5, label="last network")[0])
    marks.append(axis.plot([], [], ".", color=GREY, ms=4, mew=0, label="its seeds")[0])
    marks.append(axis.plot([], [], "o", color=GREY, mfc="white", ms=5, label="best network")[0])
    if summary["average_robust"].notna().any():
        marks.append(axis.plot([], [], "o", color=GREY, mfc="black", ms=5, label="average of weights")[0])
    return marks


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
        _say_not_trained(axis, methods, outcomes[outcomes["group"] == group])
        axis.set_xlim(0, 1.03)
        axis.xaxis.set_major_formatter(percent_text)
    figure.supxlabel("breakpoints (% of training, crosses); circles: seeds without one", fontsize="medium")
    return figure


def _say_not_trained(axis: Axes, methods: Sequence[str], runs: pd.DataFrame) -> None:
    trained = set(runs["method"])
    for height, method in enumerate(methods):
        if method not in trained:
            axis.annotate(
                "not trained", (0.02, height), xycoords=axis.get_yaxis_transform(), fontsize=LABELS, color="0.5",
                va="center",
            )  # fmt: skip


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
