"""What all figures are drawn with: sheets, bands over seeds, dots with intervals, breakpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit, logit

from analyses.core.statistics import estimate
from cotoolkit.plotting.style import GREY, percent_text

SHARES = (0.0, 1.0)
"""Values that accuracies and other shares can have."""

FEWEST = 5
"""Seeds below which points are drawn and no interval, as such claims are only shown."""


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **share: Any) -> tuple[Figure, Any]:
    """An empty figure of that size in inches, and its axes: one, or an array as `Figure.subplots` returns it.

    Args:
        width: in inches.
        height: in inches.
        rows: of axes.
        columns: of axes.
        **share: as `Figure.subplots` takes it, such as sharex.

    Returns:
        The figure, and one axis or an array of them.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **share)


def seed_band(
    axis: Axes,
    data: pd.DataFrame,
    x: str,
    y: str,
    *,
    colour: str,
    line: Any = "-",
    dots: bool = False,
    **look: Any,
) -> None:
    """Mean over seeds by `x` as a line; the shade reaches from the least to the greatest seed.

    Args:
        axis: where.
        data: one row per x and seed.
        x: column.
        y: column; missing values are left out.
        colour: of both.
        line: style of the line.
        dots: draw every seed, too: where a seed breaks or does not, the mean lies where none is.
        **look: further settings of the line, such as label or marker.
    """
    over = data.dropna(subset=[y]).groupby(x)[y]
    mean, low, high = over.mean(), over.min(), over.max()
    axis.plot(mean.index, mean, color=colour, ls=line, **look)
    axis.fill_between(mean.index, low, high, color=colour, alpha=0.15, lw=0)
    if dots:
        axis.plot(data[x], data[y], ".", color=colour, ms=4, mew=0, alpha=0.55)


def seed_bands(
    axis: Axes, data: pd.DataFrame, by: str, looks: Mapping[str, Sequence[Any]], x: str, y: str, **look: Any
) -> None:
    """A band for each value of a column, as `seed_band` draws it; values without rows are left out.

    Args:
        axis: where.
        data: one row per value, x and seed.
        by: column that tells the bands apart.
        looks: label, colour, line and perhaps marker, by value.
        x: column.
        y: column.
        **look: further settings of all lines.
    """
    for value, (label, colour, line, *marker) in looks.items():
        rows = data[data[by] == value]
        if len(rows):
            own = {"marker": marker[0]} if marker else {}
            seed_band(axis, rows, x, y, colour=colour, line=line, label=label, **own, **look)


def seed_lines(axis: Axes, data: pd.DataFrame, x: str, y: str, *, colour: str, label: str, **look: Any) -> None:
    """A line per seed: means over seeds that break at different times would show no break.

    Args:
        axis: where.
        data: one row per x and seed.
        x: column.
        y: column.
        colour: of all lines.
        label: for the legend, of all lines together.
        **look: further settings of the lines.
    """
    for index, (_, run) in enumerate(data.groupby("seed")):
        axis.plot(run[x], run[y], color=colour, label=None if index else label, **look)


def seed_points(
    axis: Axes,
    place: float,
    values: Sequence[float],
    colour: str,
    *,
    marker: str = "o",
    label: str = "",
    within: tuple[float, float] = (-np.inf, np.inf),
) -> None:
    """Seeds as small dots beside their mean with its 95 % interval, at a place of the x axis; below 5 seeds they alone.

    The interval is Student's t of the mean, of bounded values on the scale of logits, where it stays within them.

    Args:
        axis: where.
        place: on the x axis.
        values: one per seed; missing ones are left out.
        colour: of all.
        marker: of the mean.
        label: for the legend.
        within: the values that there can be; `SHARES` for accuracies.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return
    if len(known) < FEWEST:
        axis.plot([place] * len(known), known, marker, color=colour, alpha=0.6, mew=0, ls="", label=label or None)
        return
    axis.plot([place - 0.12] * len(known), known, ".", color=colour, alpha=0.45, ms=3, mew=0)
    axis.plot([place, place], interval_within(known, *within), color=colour, lw=1.2)
    axis.plot([place], [known.mean()], marker, color=colour, label=label or None)


def interval_within(values: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """95 % interval of a mean by Student's t; of bounded values on the scale of logits (delta method).

    >>> [round(end, 2) for end in interval_within([0.9] * 9 + [0.1], 0.0, 1.0)]
    [0.57, 0.94]

    Args:
        values: finite ones, at least two.
        low: the least there can be; minus infinity for values without bounds.
        high: the greatest.

    Returns:
        Both ends, between `low` and `high`.
    """
    found = estimate(values)
    if not np.isfinite([low, high]).all() or found.low == found.high:
        return found.low, found.high
    share, reach = (found.mean - low) / (high - low), (found.high - found.mean) / (high - low)
    ends = expit(logit(share) + np.array([-1, 1]) * reach / (share * (1 - share)))
    return float(low + (high - low) * ends[0]), float(low + (high - low) * ends[1])


def seed_times(
    axis: Axes, place: float, times: Sequence[float], broke: Sequence[bool], colour: str, *, marker: str = "o"
) -> None:
    """When each seed broke, side by side; hollow where a run ended without a break: such times have no mean.

    Args:
        axis: where.
        place: on the x axis.
        times: of the break, or of the end of the run, one per seed.
        broke: whether it broke.
        colour: of all.
        marker: of all.
    """
    for time, broken, aside in zip(times, broke, np.linspace(-0.25, 0.25, len(times)), strict=True):
        fill = colour if broken else "none"
        axis.plot([place + aside], [time], marker, color=colour, mfc=fill, ms=3, mew=0.7, alpha=0.8, clip_on=False)


def mark_breakpoint(axis: Axes, iteration: float, *, named: bool = True) -> None:
    """The breakpoint: a thin dark line with a triangle on top, in every figure the same.

    Args:
        axis: where.
        iteration: on the x axis.
        named: whether to write "break" beside it.
    """
    axis.axvline(iteration, color="black", lw=0.7, ls=(0, (4, 2)), zorder=1)
    axis.plot(
        [iteration], [1], marker="v", color="black", ms=4, clip_on=False, transform=axis.get_xaxis_transform(), ls=""
    )
    if named:
        axis.annotate(
            "break", (iteration, 1), (3, -1), xycoords=axis.get_xaxis_transform(), textcoords="offset points",
            fontsize=6.5, va="top",
        )  # fmt: skip


def percent(axis: Axes, label: str = "", *, which: str = "y") -> None:
    """Show an axis of shares in [0, 1] in percent; the sign stands with the label.

    Args:
        axis: where.
        label: of the axis; empty keeps the one it has.
        which: "x" or "y".
    """
    getattr(axis, f"{which}axis").set_major_formatter(percent_text)
    if label:
        axis.set(**{f"{which}label": f"{label} (%)"})


def category_axis(axis: Axes, names: Sequence[str], *, turned: bool = False) -> None:
    """Names of categories at 0, 1, 2, ... of the x axis.

    Args:
        axis: where.
        names: from the left.
        turned: write them aslant.
    """
    axis.set_xticks(range(len(names)), names, rotation=30 if turned else 0, ha="right" if turned else "center")
    axis.grid(visible=False, axis="x")
    axis.set_xlim(-0.6, len(names) - 0.4)


def zero_line(axis: Axes, at: float = 0.0) -> None:
    """A thin line where there is no effect.

    Args:
        axis: where.
        at: the height.
    """
    axis.axhline(at, color=GREY, lw=0.7, zorder=0)
