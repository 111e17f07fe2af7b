"""Where robustness is lost: heat maps over the grid of a study's settings."""

from __future__ import annotations

from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.columns import SHARE_OF_CO, axis_name, number, require_columns
from cotoolkit.plotting.style import STYLE
from cotoolkit.runs.tables.accuracy_names import accuracy_title
from cotoolkit.runs.tables.run_table import varying

MOST_LABELS = 24
"""Values of a setting that an axis names; of maps with more the cells are small and hold no text."""


COLOURS = "cividis"
"""Of all maps, for accuracies as for shares of seeds: it grows lighter evenly, for colour-blind readers, too."""


class PhaseAxes(NamedTuple):
    """Columns of a study's table that span its phase diagram."""

    x: str
    y: str
    by: str | None


def phase_diagram(
    table: pd.DataFrame, *, x: str = "beta", y: str = "epsilon", by: str | None = "method", accuracy: str = "pgd-50"
) -> tuple[Figure, list[Axes]]:
    """Heat maps over a grid of settings: mean PGD accuracy, and the share of seeds that overfit catastrophically.

    Cells without a run stay empty. All maps share one colour scale from 0 to 100 %, whose bar stands at the right, so
    that pictures of different studies compare, too.

    Args:
        table: one row per run; unfinished runs are left out.
        x: column of the horizontal axis.
        y: column of the vertical axis, growing upwards.
        by: column with a pair of heat maps for each of its values; None draws one pair of all runs.
        accuracy: the evaluation protocol shown on the left.

    Returns:
        The figure and its axes, a pair for each value of `by`.

    Raises:
        ConfigError: no finished run, or a column that the table lacks.
    """
    require_columns(table, (x, y, accuracy, "collapsed", *([by] if by else [])))
    done = table[table["verdict"] != ""].assign(collapsed=lambda runs: runs["collapsed"].astype(float))
    if done.empty:
        raise ConfigError("no finished run to draw")
    columns, rows = sorted(done[x].unique()), sorted(done[y].unique())
    kinds = list(done.groupby(by)) if by else [("", done)]
    panels = ((accuracy, f"{accuracy_title(accuracy)} accuracy, mean"), ("collapsed", SHARE_OF_CO))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        width, height = min(len(columns), MOST_LABELS), min(len(rows), MOST_LABELS)
        size = (2 * (0.75 * width + 1.5) + 0.7, len(kinds) * (0.55 * height + 1.0) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(kinds), 2, squeeze=False)
        for (kind, runs), pair in zip(kinds, grid, strict=True):
            for axis, (column, title) in zip(pair, panels, strict=True):
                cells = runs.pivot_table(index=y, columns=x, values=column, aggfunc="mean")
                cells = cells.reindex(index=rows[::-1], columns=columns).astype(float)
                _heat_map(axis, cells)
                axis.set(title=": ".join([str(kind), title]) if by else title, xlabel="", ylabel="")
        bar = figure.colorbar(mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), COLOURS), ax=grid, format="{x:.0%}")
        bar.outline.set_visible(False)
        figure.supxlabel(axis_name(x), fontsize=10)
        figure.supylabel(axis_name(y), fontsize=10)
        figure.suptitle(
            _seeds_a_cell(done.groupby([y, x, *([by] if by else [])]).size()), fontsize=9, x=0.99, ha="right"
        )
    return figure, list(grid.flat)


def phase_scale() -> list[tuple[float, str]]:
    """The colour scale of phase diagrams: places in [0, 1] and their colours, for charts."""
    places = [place / 10 for place in range(11)]
    colours = mpl.colormaps[COLOURS]
    return [(place, mpl.colors.to_hex(colours(place))) for place in places]


def phase_axes(table: pd.DataFrame) -> PhaseAxes:
    """The settings to spread a phase diagram over: strength and radius, or the first numbers that vary.

    >>> runs = pd.DataFrame({"state": "done", "method": ["fgsm", "pgd"], "epsilon": [0.1, 0.2], "beta": [0.0, 0.1]})
    >>> phase_axes(runs.assign(verdict="robust"))
    PhaseAxes(x='beta', y='epsilon', by='method')
    >>> phase_axes(runs.assign(verdict="robust", epsilon=0.1))
    PhaseAxes(x='beta', y='method', by=None)
    """
    differing = [name for name in varying(table) if name != "seed"]
    numbers = [name for name in differing if pd.api.types.is_numeric_dtype(table[name]) and table[name].notna().all()]
    first = [name for name in ("beta", "epsilon") if name in numbers]
    x, *rest = [*first, *(name for name in numbers if name not in first)] or ["epsilon"]
    if rest:
        return PhaseAxes(x, rest[0], "method" if "method" in differing else None)
    return PhaseAxes(x, "method", None)


def _heat_map(axis: Axes, cells: pd.DataFrame) -> None:
    crowded = max(cells.shape) > MOST_LABELS
    shown = False if crowded else cells.map(lambda share: "" if pd.isna(share) else f"{share:.0%}")
    lines = 0 if crowded else 1
    sns.heatmap(cells, ax=axis, vmin=0, vmax=1, cmap=COLOURS, annot=shown, fmt="", linewidths=lines, cbar=False)
    axis.set_facecolor("0.92")  # of empty cells
    every = [-(-count // MOST_LABELS) for count in cells.shape]
    for set_ticks, values, step in (
        (axis.set_yticks, cells.index, every[0]),
        (axis.set_xticks, cells.columns, every[1]),
    ):
        places = range(0, len(values), step)
        set_ticks([place + 0.5 for place in places], [number(values[place]) for place in places], rotation=0)


def _seeds_a_cell(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low} seeds a cell" if low == high else f"{low} to {high} seeds a cell"
